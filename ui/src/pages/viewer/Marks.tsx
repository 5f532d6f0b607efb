import { useTranslation } from 'react-i18next';
import type { SpacingView } from '@/client';
import { whole } from '@/components/numbers';
import styles from './viewer.module.css';

const LENGTHS_MM = [1, 2, 5, 10, 20, 50, 100, 200];
const WIDEST = 140;

/** A bar of round millimetres, where the file says what a pixel is. `scale`: CSS pixels for one of the picture. */
export function ScaleBar({ spacing, scale, rotation }: { spacing: SpacingView; scale: number; rotation: number }) {
  const { t } = useTranslation('viewer');
  const perMm = scale / (rotation % 180 === 0 ? spacing.column_mm : spacing.row_mm);
  const length = LENGTHS_MM.findLast((mm) => mm * perMm <= WIDEST);
  if (length === undefined) return null;
  return (
    <div className={styles.scale} title={t(spacing.calibrated ? 'scale_patient' : 'scale_detector')}>
      <div className={styles.scaleLine} data-testid="scale-bar" style={{ width: length * perMm }} />
      {length} mm{spacing.calibrated ? '' : ` ${t('scale_detector_short')}`}
    </div>
  );
}

const TICKS = [1, 0.75, 0.5, 0.25, 0];

/** The heatmap's colours, from where the model looked most (1) to not at all (0). */
export function ColourBar() {
  const { t, i18n } = useTranslation('viewer');
  return (
    <div className={styles.colours} role="img" aria-label={t('colour_bar')}>
      <div className={styles.coloursBar} />
      <div className={styles.coloursTicks}>
        {TICKS.map((tick) => (
          <span key={tick}>{whole(tick, i18n.language)}</span>
        ))}
      </div>
    </div>
  );
}
