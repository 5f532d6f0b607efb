import { useTranslation } from 'react-i18next';
import type { FindingView, RegionOfInterest } from '@/client';
import { decimal } from '@/components/numbers';
import { useLabelName } from './useLabelName';
import type { Corners } from './useViewport';
import type { Size } from './view';
import styles from './viewer.module.css';

interface OverlayProps {
  corners: Corners;
  picture: Size;
  /** In the image's own pixels, in which boxes are given: they need not be square, those of the picture are. */
  stored: Size;
  pane: Size;
  finding: FindingView;
  heatmap: boolean;
  opacity: number;
  boxes: boolean;
  onLoaded: (source: string) => void;
  onFailed: () => void;
}

/**
 * Heatmap and boxes over the picture, as elements that are laid where the viewport says the picture's corners are: they
 * look the same whatever draws the picture. The heatmap's colours are the server's own.
 */
export function Overlay({
  corners,
  picture,
  stored,
  pane,
  finding,
  heatmap,
  opacity,
  boxes,
  onLoaded,
  onFailed,
}: OverlayProps) {
  const { t } = useTranslation('viewer');
  const labelName = useLabelName();
  const source = finding.explanation?.overlay;
  return (
    <>
      {heatmap && source && (
        <img
          // Another finding's must not stay in its place while this one is on its way.
          key={source}
          src={`${source}?view=colours`}
          alt={t('heatmap_alt', { label: labelName(finding.label) })}
          className={styles.heatmap}
          data-testid="heatmap"
          draggable={false}
          width={picture.width}
          height={picture.height}
          style={{ opacity, transform: matrixOf(corners, picture) }}
          onLoad={() => onLoaded(source)}
          onError={onFailed}
        />
      )}
      {boxes && (
        <svg
          className={styles.boxes}
          viewBox={`0 0 ${pane.width} ${pane.height}`}
          role="img"
          aria-label={t('boxes_alt')}
        >
          {finding.regions_of_interest.map((region) => (
            <Box key={`${region.x} ${region.y}`} region={region} corners={corners} stored={stored} />
          ))}
        </svg>
      )}
    </>
  );
}

function Box({ region, corners, stored }: { region: RegionOfInterest; corners: Corners; stored: Size }) {
  const at = (x: number, y: number) => pointOf(corners, x / stored.width, y / stored.height);
  const { i18n } = useTranslation();
  const { x, y, width, height } = region;
  const score = decimal(region.score, i18n.language, 2);
  const outline = [at(x, y), at(x + width, y), at(x + width, y + height), at(x, y + height)];
  const points = outline.map((point) => point.join(',')).join(' ');
  const left = Math.min(...outline.map(([px]) => px));
  const top = Math.min(...outline.map(([, py]) => py));
  const text = { x: left + 4, y: top > 20 ? top - 6 : top + 16 };
  return (
    <g>
      <polygon points={points} className={styles.boxGround} />
      <polygon points={points} className={styles.box} />
      <text {...text} className={styles.scoreGround}>
        {score}
      </text>
      <text {...text} className={styles.score}>
        {score}
      </text>
    </g>
  );
}

/** Where a place of the picture, in fractions of it, lies in the pane. */
function pointOf([origin, right, below]: Corners, u: number, v: number): [number, number] {
  return [
    origin[0] + u * (right[0] - origin[0]) + v * (below[0] - origin[0]),
    origin[1] + u * (right[1] - origin[1]) + v * (below[1] - origin[1]),
  ];
}

/** Lays an element of the picture's own size over the picture. */
function matrixOf([origin, right, below]: Corners, { width, height }: Size): string {
  const a = (right[0] - origin[0]) / width;
  const b = (right[1] - origin[1]) / width;
  const c = (below[0] - origin[0]) / height;
  const d = (below[1] - origin[1]) / height;
  return `matrix(${a}, ${b}, ${c}, ${d}, ${origin[0]}, ${origin[1]})`;
}
