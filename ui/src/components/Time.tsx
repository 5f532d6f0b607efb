import { Text, Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';

/** A moment in the reader's zone and language; the tooltip has it to the second, with the zone. */
export function Time({ at }: { at: string | null | undefined }) {
  const { i18n } = useTranslation();
  if (!at) return <>–</>;
  const moment = new Date(at);
  const short = new Intl.DateTimeFormat(i18n.language, { dateStyle: 'medium', timeStyle: 'short' }).format(moment);
  const long = new Intl.DateTimeFormat(i18n.language, { dateStyle: 'full', timeStyle: 'long' }).format(moment);
  return (
    <Tooltip label={long}>
      <Text component="time" dateTime={at} inherit span>
        {short}
      </Text>
    </Tooltip>
  );
}
