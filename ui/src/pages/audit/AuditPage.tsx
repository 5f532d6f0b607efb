import { Alert, Button, Group, MultiSelect, Skeleton, Switch, Table, Text, TextInput } from '@mantine/core';
import { IconShieldCheck } from '@tabler/icons-react';
import { keepPreviousData, useMutation, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import { sessionQuery } from '@/auth/session';
import { type AuditAction, auditVerify } from '@/client';
import { auditListingOptions } from '@/client/@tanstack/react-query.gen';
import { Empty } from '@/components/Empty';
import { whole } from '@/components/numbers';
import { Page } from '@/components/Page';
import { ProblemNotice } from '@/components/ProblemNotice';
import { WideTable } from '@/components/WideTable';
import { AuditRow } from '@/pages/audit/AuditRow';
import { ACTIONS } from '@/pages/audit/actions';

interface Search {
  action?: AuditAction[];
  actor?: string;
  subject?: string;
  platform?: boolean;
  cursor?: string;
}

/** Who did what with patient data and with the place, newest first; and whether the log is whole. */
export function AuditPage() {
  const { t } = useTranslation(['audit', 'shell']);
  const allowed = useAllowed();
  const navigate = useNavigate();
  const { data: session } = useQuery(sessionQuery);
  const here = session?.scopes.includes('admin') === true;
  const search = useSearch({ strict: false }) as Search;
  const platform = allowed('operate') && (search.platform === true || !here);
  const query = { ...search, platform, limit: 50 };
  const { data, error, refetch } = useQuery({ ...auditListingOptions({ query }), placeholderData: keepPreviousData });
  const change = (part: Partial<Search>) =>
    void navigate({ to: '/admin/audit', search: { ...search, cursor: undefined, ...part } });
  return (
    <Page title={t('title')} actions={<Verify platform={platform} />}>
      <Group align="end">
        <MultiSelect
          label={t('action')}
          placeholder={search.action?.length ? undefined : t('any_action')}
          data={ACTIONS.map((action) => ({ value: action, label: t(`actions.${action}`) }))}
          value={search.action ?? []}
          onChange={(action) => change({ action: action.length > 0 ? (action as AuditAction[]) : undefined })}
          clearable
          searchable
          w={{ base: '100%', sm: 340 }}
        />
        <Chosen label={t('actor')} value={search.actor} onClear={() => change({ actor: undefined })} />
        <Chosen label={t('subject')} value={search.subject} onClear={() => change({ subject: undefined })} />
        {allowed('operate') && here && (
          <Switch
            label={t('platform')}
            checked={platform}
            onChange={(event) => change({ platform: event.currentTarget.checked || undefined })}
          />
        )}
      </Group>
      {error && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton height={420} aria-label={t('shell:loading')} />}
      {data?.items.length === 0 && <Empty icon={<IconShieldCheck size={40} aria-hidden />} title={t('empty')} />}
      {data && data.items.length > 0 && (
        <WideTable label={t('title')} minWidth={760} stacked>
          <Table verticalSpacing="xs">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t('number')}</Table.Th>
                <Table.Th>{t('at')}</Table.Th>
                <Table.Th>{t('actor')}</Table.Th>
                <Table.Th>{t('action')}</Table.Th>
                <Table.Th>{t('subject')}</Table.Th>
                <Table.Th>{t('detail')}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {data.items.map((item) => (
                <AuditRow key={item.id} item={item} onChoose={change} />
              ))}
            </Table.Tbody>
          </Table>
        </WideTable>
      )}
      <Group>
        {search.cursor !== undefined && (
          <Button variant="default" onClick={() => change({})}>
            {t('newest')}
          </Button>
        )}
        {data && data.next !== null && (
          <Button
            variant="default"
            renderRoot={(props) => (
              <Link {...props} to="/admin/audit" search={{ ...search, cursor: data.next ?? undefined }} />
            )}
          >
            {t('older')}
          </Button>
        )}
      </Group>
    </Page>
  );
}

function Chosen({ label, value, onClear }: { label: string; value: string | undefined; onClear: () => void }) {
  const { t } = useTranslation('audit');
  if (value === undefined) return null;
  return (
    <Group gap="xs" align="end" wrap="nowrap">
      <TextInput label={label} value={value} readOnly />
      <Button variant="default" onClick={onClear} aria-label={t('clear_of', { label })}>
        {t('clear')}
      </Button>
    </Group>
  );
}

function Verify({ platform }: { platform: boolean }) {
  const { t, i18n } = useTranslation('audit');
  const verify = useMutation({
    mutationFn: async () => (await auditVerify({ query: { platform }, throwOnError: true })).data,
  });
  const found = verify.data;
  return (
    <Group gap={found || verify.isError ? 'md' : 0}>
      <div aria-live="polite">
        {verify.isError && <ProblemNotice error={verify.error} />}
        {found && (
          <Alert color={found.breaks.length === 0 ? 'teal' : 'red'} py={6}>
            <Text size="sm">
              {found.breaks.length === 0
                ? t('whole', { records: whole(found.records, i18n.language) })
                : t('broken', { places: found.breaks.map(({ number, kind }) => `${number} (${kind})`).join(', ') })}
            </Text>
          </Alert>
        )}
      </div>
      <Button variant="default" onClick={() => verify.mutate()} loading={verify.isPending}>
        {t('verify')}
      </Button>
    </Group>
  );
}
