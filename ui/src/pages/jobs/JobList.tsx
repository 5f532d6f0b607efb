import { Anchor, Card, Checkbox, Group, Stack, Table, Text } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { Link } from '@tanstack/react-router';
import type { KeyboardEvent } from 'react';
import { useTranslation } from 'react-i18next';
import type { JobView } from '@/client';
import { Decision } from '@/components/Decision';
import { Priority } from '@/components/Priority';
import { StateBadge } from '@/components/StateBadge';
import { Time } from '@/components/Time';
import { nameOf } from '@/i18n/labels';
import { inWords, Problem } from '@/problem';

interface JobListProps {
  jobs: JobView[];
  selected: ReadonlySet<string>;
  onSelect: (selected: ReadonlySet<string>) => void;
  selectable: boolean;
}

const ROW = '[data-job-link]';

/** The jobs of a page: a table, or cards where it is narrow. */
export function JobList(props: JobListProps) {
  const narrow = useMediaQuery('(max-width: 48em)', undefined, { getInitialValueInEffect: false });
  return narrow ? <Cards {...props} /> : <Rows {...props} />;
}

function toggled(selected: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const next = new Set(selected);
  if (!next.delete(id)) next.add(id);
  return next;
}

/** Arrows go from job to job; the space bar chooses the one in focus. */
function moveFocus(event: KeyboardEvent<HTMLElement>, choose: (id: string) => void): void {
  const links = [...event.currentTarget.querySelectorAll<HTMLElement>(ROW)];
  const at = links.indexOf(document.activeElement as HTMLElement);
  if (at < 0) return;
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key];
  if (to !== undefined) links[Math.max(0, Math.min(links.length - 1, to))]?.focus();
  else if (event.key === ' ') choose(links[at]?.dataset.jobLink ?? '');
  else return;
  event.preventDefault();
}

function Rows({ jobs, selected, onSelect, selectable }: JobListProps) {
  const { t } = useTranslation('jobs');
  const ids = jobs.map((job) => job.id);
  const all = ids.every((id) => selected.has(id));
  // What was chosen on other pages stays chosen.
  const others = [...selected].filter((id) => !ids.includes(id));
  return (
    <Table.ScrollContainer minWidth={720}>
      <Table highlightOnHover verticalSpacing={6} aria-label={t('title')}>
        <Table.Thead>
          <Table.Tr>
            {selectable && (
              <Table.Th w={40}>
                <Checkbox
                  aria-label={t('select_all')}
                  checked={all}
                  indeterminate={!all && ids.some((id) => selected.has(id))}
                  onChange={() => onSelect(new Set(all ? others : [...others, ...ids]))}
                />
              </Table.Th>
            )}
            <Table.Th>{t('job')}</Table.Th>
            <Table.Th>{t('created')}</Table.Th>
            <Table.Th>{t('state')}</Table.Th>
            <Table.Th>{t('result')}</Table.Th>
            <Table.Th>{t('region')}</Table.Th>
            <Table.Th>{t('priority')}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody onKeyDown={(event) => moveFocus(event, (id) => selectable && onSelect(toggled(selected, id)))}>
          {jobs.map((job) => (
            <Row
              key={job.id}
              job={job}
              selected={selected.has(job.id)}
              onToggle={selectable ? () => onSelect(toggled(selected, job.id)) : undefined}
            />
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Row({ job, selected, onToggle }: { job: JobView; selected: boolean; onToggle?: () => void }) {
  const { t, i18n } = useTranslation('jobs');
  return (
    <Table.Tr data-job={job.id} data-state={job.state} aria-selected={onToggle ? selected : undefined}>
      {onToggle && (
        <Table.Td>
          <Checkbox aria-label={t('select', { id: job.id })} checked={selected} onChange={onToggle} />
        </Table.Td>
      )}
      <Table.Td>
        <JobLink id={job.id} />
      </Table.Td>
      <Table.Td>
        <Time at={job.created_at} />
      </Table.Td>
      <Table.Td>
        <StateBadge state={job.state} />
      </Table.Td>
      <Table.Td maw={320}>
        <Outcome job={job} />
      </Table.Td>
      <Table.Td>{job.result?.region ? nameOf(job.result.region, i18n) : '–'}</Table.Td>
      <Table.Td>
        <Priority value={job.priority} />
      </Table.Td>
    </Table.Tr>
  );
}

function Cards({ jobs, selected, onSelect, selectable }: JobListProps) {
  const { t, i18n } = useTranslation('jobs');
  return (
    <Stack gap="xs" component="ul" p={0} m={0} aria-label={t('title')}>
      {jobs.map((job) => (
        <Card key={job.id} component="li" withBorder padding="sm" data-job={job.id} data-state={job.state}>
          <Stack gap={6}>
            <Group justify="space-between" wrap="nowrap">
              <Group gap="sm" wrap="nowrap">
                {selectable && (
                  <Checkbox
                    size="md"
                    aria-label={t('select', { id: job.id })}
                    checked={selected.has(job.id)}
                    onChange={() => onSelect(toggled(selected, job.id))}
                  />
                )}
                <JobLink id={job.id} />
              </Group>
              <StateBadge state={job.state} />
            </Group>
            <Outcome job={job} />
            <Text size="xs" c="dimmed">
              <Time at={job.created_at} />
              {job.result?.region && ` · ${nameOf(job.result.region, i18n)}`}
              {job.priority !== 0 && (
                <>
                  {' '}
                  · <Priority value={job.priority} />
                </>
              )}
            </Text>
          </Stack>
        </Card>
      ))}
    </Stack>
  );
}

/** The first digits of its id, which are the moment it was made in, and which the search takes. */
function JobLink({ id }: { id: string }) {
  return (
    <Anchor
      ff="monospace"
      size="sm"
      data-job-link={id}
      renderRoot={(rest) => <Link {...rest} to="/jobs/$jobId" params={{ jobId: id }} />}
    >
      {id.slice(0, 18)}
    </Anchor>
  );
}

function Outcome({ job }: { job: JobView }) {
  if (job.result) return <Decision result={job.result} />;
  if (!job.problem) return <>–</>;
  const { status, code, title, detail } = job.problem;
  return (
    <Text size="sm" lineClamp={2}>
      {inWords(new Problem(status, code, title, detail))}
    </Text>
  );
}
