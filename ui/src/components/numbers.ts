/** Numbers as people write them in `language`. */
export const decimal = (value: number, language: string, digits = 3): string =>
  new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);

export const whole = (value: number, language: string): string => new Intl.NumberFormat(language).format(value);

/** A part in [0, 1] as per cent, with up to `digits` decimals. */
export const percent = (value: number, language: string, digits = 1): string =>
  new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: digits }).format(value);
