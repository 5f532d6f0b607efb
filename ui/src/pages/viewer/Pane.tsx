import { Loader } from '@mantine/core';
import { useElementSize } from '@mantine/hooks';
import clsx from 'clsx';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { DisplayView, FindingView, SpacingView } from '@/client';
import { ProblemNotice } from '@/components/ProblemNotice';
import { ColourBar, ScaleBar } from './Marks';
import { Overlay } from './Overlay';
import type { Radiograph } from './radiograph';
import type { PaneState } from './usePane';
import { type Tool, usePointers } from './usePointers';
import { useViewport } from './useViewport';
import { panned, type Size, scaleOf, type View, zoomed } from './view';
import styles from './viewer.module.css';
import { dragged, inUnits, type Range } from './windowing';

export interface PaneProps {
  state: PaneState;
  caption: string;
  active: boolean;
  onActivate: () => void;
  view: View;
  onView: (change: (now: View) => View) => void;
  onFit: () => void;
  onSize: (size: Size) => void;
  tool: Tool;
  finding: FindingView | null;
  heatmap: boolean;
  opacity: number;
  boxes: boolean;
  cpu: boolean;
}

const LEAST_SIDE = 160;

/** One radiograph with what lies over it. */
export function Pane(props: PaneProps) {
  const { state, caption, active, onActivate, onSize } = props;
  const { t } = useTranslation('viewer');
  const { ref, width, height } = useElementSize();
  const size = useMemo(() => ({ width: Math.floor(width), height: Math.floor(height) }), [width, height]);
  const measured = width > 0 && height > 0;
  useEffect(() => onSize(size), [onSize, size]);
  const { radiograph, display, window } = state;
  const small = measured && Math.min(width, height) < LEAST_SIDE;
  return (
    <section
      ref={ref}
      className={clsx(styles.pane, active && styles.active)}
      aria-label={caption}
      aria-current={active}
      onPointerDownCapture={onActivate}
      onFocusCapture={onActivate}
      data-testid="pane"
    >
      {state.error ? (
        <div className={styles.middle}>
          <ProblemNotice error={state.error} onRetry={state.retry} />
        </div>
      ) : small ? (
        <div className={styles.middle}>{t('too_small')}</div>
      ) : radiograph && display && window && measured ? (
        <Surface {...props} size={size} radiograph={radiograph} display={display} window={window} />
      ) : (
        <div className={styles.middle} role="status">
          <Loader color="gray" aria-label={t('loading')} />
        </div>
      )}
      <div className={clsx(styles.note, styles.caption)}>{caption}</div>
      <div className={clsx(styles.note, styles.warning)}>{t('not_for_diagnosis')}</div>
    </section>
  );
}

/** Of the picture's pixels, which are square where those of the image are not. */
const spacingOf = (spacing: SpacingView, stored: Size, picture: Size): SpacingView => ({
  ...spacing,
  row_mm: (spacing.row_mm * stored.height) / picture.height,
  column_mm: (spacing.column_mm * stored.width) / picture.width,
});

interface SurfaceProps extends PaneProps {
  size: Size;
  radiograph: Radiograph;
  display: DisplayView;
  window: Range;
}

function Surface(props: SurfaceProps) {
  const { state, view, onView, onFit, tool, finding, heatmap, opacity, boxes, cpu, size } = props;
  const { radiograph, display, window } = props;
  const { t, i18n } = useTranslation('viewer');
  const surface = useRef<HTMLDivElement>(null);
  const [lost, setLost] = useState<string | null>(null);
  const [loaded, setLoaded] = useState<string | null>(null);
  const picture = useMemo(() => ({ width: radiograph.columns, height: radiograph.rows }), [radiograph]);
  const stored = { width: display.columns, height: display.rows };
  const { inverted, jobId } = state;
  const { failed, corners } = useViewport(surface, size, { jobId, radiograph, view, window, inverted, cpu });

  usePointers(surface, {
    tool,
    onWindow: (dx, dy) => state.setWindow((now) => dragged(now, dx, dy, radiograph, inverted)),
    onPan: (dx, dy) => onView((now) => panned(now, dx, dy, picture, size)),
    onZoom: (factor, dx, dy) => onView((now) => zoomed(now, factor, dx, dy, picture, size)),
    onDouble: onFit,
  });

  if (failed) {
    return (
      <div className={styles.middle}>
        <ProblemNotice error={failed} />
      </div>
    );
  }
  const scale = scaleOf(view, picture, size);
  const { center, width } = inUnits(window, display);
  const number = new Intl.NumberFormat(i18n.language, { maximumFractionDigits: Math.abs(width) < 20 ? 2 : 0 });
  const explained = finding !== null && finding.explanation !== null;
  const awaited = heatmap && explained && loaded !== finding.explanation?.overlay && lost !== finding.label;
  return (
    <>
      <div
        ref={surface}
        className={styles.surface}
        role="img"
        aria-label={t('picture_alt')}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the picture takes the arrow keys
        tabIndex={0}
        data-testid="surface"
      />
      {corners && finding && lost !== finding.label && (
        <Overlay
          {...{ corners, picture, stored, finding, heatmap, opacity, boxes }}
          pane={size}
          onLoaded={setLoaded}
          onFailed={() => setLost(finding.label)}
        />
      )}
      {/* Always there: a screen reader tells only of changes within what it knows. */}
      <div className={styles.awaited} aria-live="polite" data-testid="awaited">
        {awaited && <span className={styles.note}>{t('heatmap_loading')}</span>}
      </div>
      {heatmap && explained && <ColourBar />}
      {display.spacing && (
        <ScaleBar spacing={spacingOf(display.spacing, stored, picture)} scale={scale} rotation={view.rotation} />
      )}
      <div className={clsx(styles.note, styles.readout)} data-testid="readout">
        {t('readout', {
          center: number.format(center),
          width: number.format(width),
          zoom: Math.round(scale * (globalThis.devicePixelRatio || 1) * 100),
        })}
        {lost !== null && heatmap && ` · ${t('heatmap_lost')}`}
      </div>
    </>
  );
}
