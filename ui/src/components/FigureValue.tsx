import { Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { decimal } from '@/components/numbers';

interface FigureValueProps {
  value: number | null | undefined;
  low?: number | null;
  high?: number | null;
  /** The interval below the value, where there is little room. */
  stacked?: boolean;
}

/** A measured value with its 95 % interval in brackets; a dash where it is undefined. */
export function FigureValue({ value, low, high, stacked = false }: FigureValueProps) {
  const { i18n } = useTranslation();
  if (value == null) return <>–</>;
  const between =
    low == null || high == null ? null : `(${decimal(low, i18n.language)}–${decimal(high, i18n.language)})`;
  return (
    <Text span inherit>
      {decimal(value, i18n.language)}{' '}
      {between !== null && (
        <Text span size="xs" c="dimmed" className="figure" display={stacked ? 'block' : undefined}>
          {between}
        </Text>
      )}
    </Text>
  );
}
