import { Button, MantineProvider } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { IconArrowLeft } from '@tabler/icons-react';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import clsx from 'clsx';
import { useCallback, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Page } from '@/components/Page';
import { theme } from '@/theme';
import { stopEngine } from './engine';
import { HelpCard } from './HelpCard';
import { Pane } from './Pane';
import { SidePanel } from './SidePanel';
import { readSearch, type ViewerSearch } from './search';
import { Toolbar } from './Toolbar';
import { useActions } from './useActions';
import { useFeedback } from './useFeedback';
import { useImageName } from './useImageName';
import { explainedOf, findingsOf, type PaneState, usePane } from './usePane';
import type { Tool } from './usePointers';
import { useShortcuts } from './useShortcuts';
import { FITTED, native, type Size, type View } from './view';
import styles from './viewer.module.css';

const nonce = () => document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? '';

/** A job's radiograph in full depth, what the model made of it, and what the reader says of that. */
export function ViewerPage() {
  const { jobId } = useParams({ from: '/inside/jobs/$jobId/view' });
  // The panel's words about the job too: waited for inside the root, they would hide it, which takes it out and puts it
  // in again without end.
  const { t } = useTranslation(['viewer', 'job']);
  const back = (
    <Button
      component={Link}
      to="/jobs/$jobId"
      params={{ jobId } as never}
      variant="default"
      leftSection={<IconArrowLeft size={18} />}
    >
      {t('back')}
    </Button>
  );
  const [root, setRoot] = useState<HTMLDivElement | null>(null);
  return (
    <Page title={t('title')} actions={back}>
      <div ref={setRoot} id="viewer" className={styles.viewer}>
        {root && (
          <MantineProvider
            theme={theme}
            forceColorScheme="dark"
            cssVariablesSelector="#viewer"
            deduplicateCssVariables={false}
            getRootElement={() => root}
            getStyleNonce={nonce}
          >
            <Viewer key={jobId} jobId={jobId} />
          </MantineProvider>
        )}
      </div>
    </Page>
  );
}

function Viewer({ jobId }: { jobId: string }) {
  const search = readSearch(useSearch({ from: '/inside/jobs/$jobId/view' }));
  const navigate = useNavigate({ from: '/jobs/$jobId/view' });
  const change = (what: ViewerSearch) =>
    void navigate({ search: ((now: ViewerSearch) => ({ ...now, ...what })) as never, replace: true });
  const main = usePane(jobId);
  const beside = search.beside !== undefined && search.beside !== jobId ? search.beside : undefined;
  return beside === undefined ? (
    <Reading {...{ main, search, change }} second={null} />
  ) : (
    <Both {...{ main, search, change }} key={beside} beside={beside} />
  );
}

interface ReadingProps {
  main: PaneState;
  second: PaneState | null;
  search: ViewerSearch;
  change: (what: ViewerSearch) => void;
}

function Both({ beside, ...rest }: Omit<ReadingProps, 'second'> & { beside: string }) {
  return <Reading {...rest} second={usePane(beside)} />;
}

function Reading({ main, second, search, change }: ReadingProps) {
  const { t } = useTranslation('viewer');
  const name = useImageName();
  const [tool, setTool] = useState<Tool>('window');
  const [opacity, setOpacity] = useState(0.4);
  const [views, setViews] = useState<[View, View]>([FITTED, FITTED]);
  const [together, setTogether] = useState(true);
  const [active, setActive] = useState<0 | 1>(0);
  const [help, setHelp] = useState(false);
  const [keysOn, setKeysOn] = useLocalStorage({ key: 'lucency.viewer.keys', defaultValue: true });
  const comment = useRef<HTMLTextAreaElement>(null);
  const sizes = useRef<[Size | null, Size | null]>([null, null]);
  const measureFirst = useCallback((size: Size) => {
    sizes.current[0] = size;
  }, []);
  const measureSecond = useCallback((size: Size) => {
    sizes.current[1] = size;
  }, []);
  useEffect(() => stopEngine, []);

  const explained = explainedOf(main.result);
  const shown = explained.find(({ label }) => label === search.label) ?? explained[0] ?? null;
  const findings = findingsOf(main.result);
  const judged = findings.find(({ label }) => label === shown?.label) ?? findings[0] ?? null;
  const heatmap = search.heatmap ?? true;
  const boxes = search.boxes ?? false;
  const giving = useFeedback(main.jobId, judged?.label ?? null);
  const index = second === null ? 0 : active;
  const pane = index === 1 && second !== null ? second : main;
  const other = main.display?.others.find(({ job_id }) => job_id === second?.jobId);
  const see = (which: 0 | 1) => (move: (now: View) => View) =>
    setViews((now) => {
      const moved = move(now[which]);
      if (together) return [moved, moved];
      return which === 0 ? [moved, now[1]] : [now[0], moved];
    });

  const whole = (now: View): View => {
    const size = sizes.current[index];
    const picture = pane.radiograph;
    return size && picture ? native(now, { width: picture.columns, height: picture.rows }, size) : now;
  };
  const { press, keys } = useActions({
    pane,
    main,
    explained,
    shown,
    heatmap,
    boxes,
    search,
    change,
    setTool,
    setOpacity,
    giving,
    comment,
    see: see(index),
    native: whole,
    setTogether,
    setHelp,
    setActive,
    hasSecond: second !== null,
  });
  useShortcuts(keys, keysOn && !help);

  const common = { tool, opacity, boxes, cpu: search.cpu ?? false, onFit: () => press('fit') };
  const secondShown = explainedOf(second?.result).find(({ label }) => label === shown?.label) ?? null;
  return (
    <>
      <Toolbar
        tool={tool}
        pressed={{
          heatmap,
          boxes,
          invert: pane.turnedOver,
          beside: second !== null,
          together: second !== null && together,
        }}
        disabled={{
          heatmap: !shown,
          boxes: !shown,
          beside: second === null && !main.display?.others.length,
          together: second === null,
        }}
        onPress={press}
      />
      <div className={styles.layout}>
        <div className={clsx(styles.stages, second && styles.two)}>
          <Pane
            {...common}
            state={main}
            caption={t('this_image')}
            active={second !== null && index === 0}
            onActivate={() => setActive(0)}
            onSize={measureFirst}
            view={views[0]}
            onView={see(0)}
            finding={shown}
            heatmap={heatmap}
          />
          {second !== null && (
            <Pane
              {...common}
              state={second}
              caption={other ? name(other) : t('other_image')}
              active={index === 1}
              onActivate={() => setActive(1)}
              onSize={measureSecond}
              view={views[1]}
              onView={see(1)}
              finding={secondShown}
              heatmap={heatmap}
            />
          )}
        </div>
        <aside className={styles.side} aria-label={t('side')}>
          <SidePanel
            {...{ pane, main, explained, heatmap, opacity, boxes, giving, judged, comment }}
            finding={shown ?? judged}
            onFinding={(label) => change({ label })}
            onHeatmap={(on) => change({ heatmap: on })}
            onOpacity={setOpacity}
            onBoxes={(on) => change({ boxes: on })}
            beside={second?.jobId}
            onBeside={(job) => change({ beside: job })}
          />
        </aside>
      </div>
      <HelpCard opened={help} onClose={() => setHelp(false)} enabled={keysOn} onEnabled={setKeysOn} />
    </>
  );
}
