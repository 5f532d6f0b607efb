import { Button, Divider, SegmentedControl, Select, Slider, Stack, Switch, Text, Title } from '@mantine/core';
import type { ReactNode, RefObject } from 'react';
import { useTranslation } from 'react-i18next';
import type { FindingView, JobView } from '@/client';
import { ProblemNotice } from '@/components/ProblemNotice';
import { StateBadge } from '@/components/StateBadge';
import { inWords, Problem } from '@/problem';
import { Feedback } from './Feedback';
import { FindingSummary } from './FindingSummary';
import type { Giving } from './useFeedback';
import { useImageName } from './useImageName';
import { useLabelName } from './useLabelName';
import type { PaneState } from './usePane';
import styles from './viewer.module.css';
import { sameRange } from './windowing';

interface SidePanelProps {
  pane: PaneState;
  main: PaneState;
  explained: FindingView[];
  finding: FindingView | null;
  onFinding: (label: string) => void;
  heatmap: boolean;
  onHeatmap: (shown: boolean) => void;
  opacity: number;
  onOpacity: (opacity: number) => void;
  boxes: boolean;
  onBoxes: (shown: boolean) => void;
  beside: string | undefined;
  onBeside: (jobId: string | undefined) => void;
  giving: Giving;
  judged: FindingView | null;
  comment: RefObject<HTMLTextAreaElement | null>;
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Stack gap="xs">
      <Title order={2} size="h5">
        {title}
      </Title>
      {children}
    </Stack>
  );
}

/** Everything beside the picture: its window, what lies over it, what the reader says, and the other images. */
export function SidePanel(props: SidePanelProps) {
  const { pane, main, explained, finding, judged } = props;
  const { t } = useTranslation('viewer');
  const labelName = useLabelName();
  return (
    <Stack gap="md">
      <Part title={t('window_title')}>
        <Presets pane={pane} />
      </Part>
      <Divider />
      <Part title={t('finding_title')}>
        {main.resultError ? <ProblemNotice error={main.resultError} /> : null}
        {main.job && main.job.state !== 'succeeded' && <NoResult job={main.job} />}
        {explained.length > 1 && (
          <SegmentedControl
            fullWidth
            data={explained.map(({ label }) => ({ value: label, label: labelName(label) }))}
            value={finding?.label}
            onChange={props.onFinding}
            aria-label={t('finding_choice')}
          />
        )}
        {finding && <FindingSummary finding={finding} />}
        {finding && main.result?.sanity?.accepted === false && (
          <Text size="sm" fw={600} c="orange.4">
            {t('unusual')}
          </Text>
        )}
        {!finding && main.result && <Text size="sm">{t('nothing_explained')}</Text>}
        {finding?.explanation && finding.regions_of_interest.length === 0 && <Text size="sm">{t('nowhere')}</Text>}
        {finding?.explanation && <OverPicture {...props} />}
      </Part>
      {judged && (
        <>
          <Divider />
          <Part title={t('feedback_title')}>
            <Feedback jobId={main.jobId} finding={judged} giving={props.giving} comment={props.comment} />
          </Part>
        </>
      )}
      <Divider />
      <Part title={t('others_title')}>
        <Others {...props} />
      </Part>
    </Stack>
  );
}

/** Why there is no finding: not yet, or never. */
function NoResult({ job }: { job: JobView }) {
  const { t } = useTranslation(['job', 'words']);
  const { state, problem, attempt, max_attempts: of } = job;
  return (
    <div role="status">
      <StateBadge state={state} />
      <Text size="sm" mt={4}>
        {problem
          ? inWords(new Problem(problem.status, problem.code, problem.title, problem.detail))
          : state !== 'succeeded' && t(`situation.${state}`, { attempt, of })}
      </Text>
    </div>
  );
}

function Presets({ pane }: { pane: PaneState }) {
  const { t } = useTranslation('viewer');
  const { presets, window } = pane;
  const name = (preset: string) => {
    const [base = '', number = ''] = preset.split('_');
    return t(`preset.${base as 'voi'}`, { number });
  };
  const chosen = window ? presets.findIndex((preset) => sameRange(preset, window)) : -1;
  return (
    <Select
      aria-label={t('window_title')}
      data={presets.map((preset, index) => ({ value: String(index), label: `${index + 1} · ${name(preset.name)}` }))}
      value={chosen < 0 ? null : String(chosen)}
      placeholder={window ? t('window_own') : undefined}
      allowDeselect={false}
      disabled={presets.length === 0}
      comboboxProps={{ withinPortal: true }}
      onChange={(value) => {
        const preset = presets[Number(value)];
        if (preset) pane.setWindow(() => ({ lower: preset.lower, upper: preset.upper }));
      }}
    />
  );
}

function OverPicture({ heatmap, onHeatmap, opacity, onOpacity, boxes, onBoxes }: SidePanelProps) {
  const { t } = useTranslation('viewer');
  return (
    <>
      <Switch checked={heatmap} onChange={(event) => onHeatmap(event.currentTarget.checked)} label={t('do.heatmap')} />
      <div>
        <Text size="sm" id="opacity">
          {t('opacity', { percent: Math.round(opacity * 100) })}
        </Text>
        <Slider
          aria-labelledby="opacity"
          thumbLabel={t('opacity_label')}
          value={Math.round(opacity * 100)}
          onChange={(percent) => onOpacity(percent / 100)}
          disabled={!heatmap}
          label={(percent) => `${percent} %`}
          size="lg"
        />
      </div>
      <Switch checked={boxes} onChange={(event) => onBoxes(event.currentTarget.checked)} label={t('do.boxes')} />
    </>
  );
}

function Others({ main, beside, onBeside }: SidePanelProps) {
  const { t } = useTranslation('viewer');
  const name = useImageName();
  const others = main.display?.others ?? [];
  if (main.display && others.length === 0) return <Text size="sm">{t('others_none')}</Text>;
  return (
    <Stack gap={4}>
      {others.map((other) => {
        const shown = other.job_id === beside;
        return (
          <Button
            key={other.image_id}
            variant={shown ? 'filled' : 'default'}
            size="compact-md"
            h="auto"
            py={4}
            justify="flex-start"
            aria-pressed={shown}
            onClick={() => onBeside(shown ? undefined : other.job_id)}
          >
            <Text size="sm" ta="left" inherit className={styles.wrapped}>
              {name(other)}
            </Text>
          </Button>
        );
      })}
    </Stack>
  );
}
