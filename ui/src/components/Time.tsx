import { Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { regional } from '@/i18n';

interface TimeProps {
  at: string | null | undefined;
  /** To the second, where what happened is close together. */
  exact?: boolean;
}

/** A moment in the reader's zone and language; the tooltip has it to the second, with the zone. */
export function Time({ at, exact = false }: TimeProps) {
  const { i18n } = useTranslation();
  if (!at) return <>–</>;
  const moment = new Date(at);
  const short = new Intl.DateTimeFormat(regional(i18n.language), {
    dateStyle: 'medium',
    timeStyle: exact ? 'medium' : 'short',
  }).format(moment);
  const long = new Intl.DateTimeFormat(regional(i18n.language), { dateStyle: 'full', timeStyle: 'long' }).format(
    moment,
  );
  return (
    <Text component="time" dateTime={at} title={long} inherit span>
      {short}
    </Text>
  );
}
