import { Button, Checkbox, Group, NumberInput, Select, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { modals } from '@mantine/modals';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { type DeliveryKind, type DeliveryRulesMakeData, deliveryRulesMake } from '@/client';
import { deliveryRulesListingQueryKey } from '@/client/@tanstack/react-query.gen';
import { ProblemNotice } from '@/components/ProblemNotice';
import { DICOM_REPORTS } from '@/components/reports';
import { showSecret } from '@/components/secret';

type DeliveryRuleRequest = DeliveryRulesMakeData['body'];

interface Kind {
  /** It goes to a DICOM node; else to an address on the web. */
  node?: true;
  /** It takes reports of jobs that succeeded; else it tells of how jobs end. */
  reports?: true;
  authorization?: true;
}
// In the order in which they are offered.
const KINDS: Record<DeliveryKind, Kind> = {
  webhook: {},
  c_store: { node: true, reports: true },
  stow: { reports: true, authorization: true },
};
const EVENTS = ['succeeded', 'failed', 'dead', 'cancelled', 'expired'] as const;

// As the API asks: an address with a host, and without a name or a password in it; what DICOM calls itself by.
const WEB = /^https?:\/\/[^\s/?#@]+([/?][!-"$-~]*)?$/;
const HOST = /^[A-Za-z0-9._:-]+$/;
const TITLE = /^[ -[\]-~]{1,16}$/;

const EMPTY = {
  name: '',
  kind: 'webhook' as DeliveryKind,
  url: 'https://',
  host: '',
  port: 104 as string | number,
  called: '',
  tls: false,
  authorization: '',
  reports: ['sr'] as string[],
  events: ['succeeded'] as string[],
  with_identity: false,
};

function requestOf(values: typeof EMPTY): DeliveryRuleRequest {
  const { name, kind, url, with_identity } = values;
  const of = KINDS[kind];
  const target = of.node
    ? { host: values.host, port: Number(values.port), called_ae_title: values.called, tls: values.tls }
    : { url };
  return {
    name,
    kind,
    target,
    reports: of.reports ? (values.reports as DeliveryRuleRequest['reports']) : [],
    events: (of.reports ? ['succeeded'] : values.events) as DeliveryRuleRequest['events'],
    with_identity: of.reports === true && with_identity,
    ...(of.authorization && values.authorization ? { authorization: values.authorization } : {}),
  };
}

/** A new way out: to a PACS, to a DICOMweb service or to a program. */
export function RuleForm() {
  const { t } = useTranslation(['deliveries', 'words', 'admin', 'reports']);
  const queries = useQueryClient();
  const spelt = (text: string, allowed: RegExp) => {
    if (text.trim() === '') return t('admin:needed');
    return allowed.test(text) ? null : t('spelt_wrong');
  };
  const form = useForm({
    initialValues: EMPTY,
    validate: {
      name: (name) => (name.trim() ? null : t('admin:needed')),
      url: (url, { kind }) => (KINDS[kind].node || WEB.test(url) ? null : t('url_wrong')),
      host: (host, { kind }) => (KINDS[kind].node ? spelt(host, HOST) : null),
      called: (called, { kind }) => (KINDS[kind].node ? spelt(called, TITLE) : null),
      port: (port, { kind }) => (KINDS[kind].node && port === '' ? t('admin:needed') : null),
      reports: (reports, { kind }) => (KINDS[kind].reports && reports.length === 0 ? t('admin:needed') : null),
      events: (events, { kind }) => (!KINDS[kind].reports && events.length === 0 ? t('admin:needed') : null),
    },
  });
  const { kind } = form.values;
  const of = KINDS[kind];
  const make = useMutation({
    mutationFn: async (values: typeof EMPTY) =>
      (await deliveryRulesMake({ body: requestOf(values), throwOnError: true })).data,
    onSuccess: (made) => {
      modals.closeAll();
      if (made.signing_key)
        showSecret({ title: made.name, label: t('signing_key'), secret: made.signing_key, hint: t('once') });
    },
    onSettled: () => queries.invalidateQueries({ queryKey: deliveryRulesListingQueryKey() }),
  });
  return (
    <form noValidate onSubmit={form.onSubmit((values) => make.mutate(values))}>
      <Stack>
        <TextInput label={t('name')} data-autofocus maxLength={100} {...form.getInputProps('name')} />
        <Select
          label={t('how')}
          description={t(`kind_hint.${kind}`)}
          allowDeselect={false}
          data={(Object.keys(KINDS) as DeliveryKind[]).map((one) => ({ value: one, label: t(`kind.${one}`) }))}
          {...form.getInputProps('kind')}
        />
        {of.node ? (
          <>
            <TextInput label={t('host')} {...form.getInputProps('host')} />
            <NumberInput label={t('port')} min={1} max={65535} {...form.getInputProps('port')} />
            <TextInput label={t('called')} maxLength={16} {...form.getInputProps('called')} />
            <Checkbox label={t('tls')} {...form.getInputProps('tls', { type: 'checkbox' })} />
          </>
        ) : (
          <TextInput label={t('url')} type="url" {...form.getInputProps('url')} />
        )}
        {of.authorization && (
          <TextInput
            label={t('authorization')}
            description={t('authorization_hint')}
            autoComplete="off"
            {...form.getInputProps('authorization')}
          />
        )}
        {of.reports ? (
          <>
            <Checkbox.Group label={t('sends')} {...form.getInputProps('reports')}>
              <Group mt={4}>
                {DICOM_REPORTS.map((one) => (
                  <Checkbox key={one} value={one} label={t(`reports:sent.${one}`)} />
                ))}
              </Group>
            </Checkbox.Group>
            <Checkbox
              label={t('with_identity')}
              description={t('with_identity_hint')}
              {...form.getInputProps('with_identity', { type: 'checkbox' })}
            />
          </>
        ) : (
          <Checkbox.Group label={t('tells_of')} {...form.getInputProps('events')}>
            <Group mt={4}>
              {EVENTS.map((state) => (
                <Checkbox key={state} value={state} label={t(`words:state.${state}`)} />
              ))}
            </Group>
          </Checkbox.Group>
        )}
        {make.isError && <ProblemNotice error={make.error} />}
        <Group justify="flex-end">
          <Button type="submit" loading={make.isPending}>
            {t('make')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
