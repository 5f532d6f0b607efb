import { Button, Checkbox, Group, NumberInput, Select, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { modals } from '@mantine/modals';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { type DeliveryKind, type DeliveryRulesMakeData, deliveryRulesMake } from '@/client';
import { deliveryRulesListingQueryKey } from '@/client/@tanstack/react-query.gen';
import { ProblemNotice } from '@/components/ProblemNotice';
import { showSecret } from '@/components/secret';

type DeliveryRuleRequest = DeliveryRulesMakeData['body'];

const KINDS: DeliveryKind[] = ['webhook', 'c_store', 'stow'];
const REPORTS = ['sr', 'sc', 'gsps'] as const;
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
  const web = kind !== 'c_store';
  const target = web
    ? { url }
    : { host: values.host, port: Number(values.port), called_ae_title: values.called, tls: values.tls };
  const hook = kind === 'webhook';
  return {
    name,
    kind,
    target,
    reports: hook ? [] : (values.reports as DeliveryRuleRequest['reports']),
    events: (hook ? values.events : ['succeeded']) as DeliveryRuleRequest['events'],
    with_identity: !hook && with_identity,
    ...(kind === 'stow' && values.authorization ? { authorization: values.authorization } : {}),
  };
}

/** A new way out: to a PACS, to a DICOMweb service or to a program. */
export function RuleForm() {
  const { t } = useTranslation(['deliveries', 'words', 'admin']);
  const queries = useQueryClient();
  const spelt = (text: string, allowed: RegExp) => {
    if (text.trim() === '') return t('admin:needed');
    return allowed.test(text) ? null : t('spelt_wrong');
  };
  const form = useForm({
    initialValues: EMPTY,
    validate: {
      name: (name) => (name.trim() ? null : t('admin:needed')),
      url: (url, { kind }) => (kind === 'c_store' || WEB.test(url) ? null : t('url_wrong')),
      host: (host, { kind }) => (kind === 'c_store' ? spelt(host, HOST) : null),
      called: (called, { kind }) => (kind === 'c_store' ? spelt(called, TITLE) : null),
      port: (port, { kind }) => (kind === 'c_store' && port === '' ? t('admin:needed') : null),
      reports: (reports, { kind }) => (kind !== 'webhook' && reports.length === 0 ? t('admin:needed') : null),
      events: (events, { kind }) => (kind === 'webhook' && events.length === 0 ? t('admin:needed') : null),
    },
  });
  const { kind } = form.values;
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
          data={KINDS.map((one) => ({ value: one, label: t(`kind.${one}`) }))}
          {...form.getInputProps('kind')}
        />
        {kind === 'c_store' ? (
          <>
            <TextInput label={t('host')} {...form.getInputProps('host')} />
            <NumberInput label={t('port')} min={1} max={65535} {...form.getInputProps('port')} />
            <TextInput label={t('called')} maxLength={16} {...form.getInputProps('called')} />
            <Checkbox label={t('tls')} {...form.getInputProps('tls', { type: 'checkbox' })} />
          </>
        ) : (
          <TextInput label={t('url')} type="url" {...form.getInputProps('url')} />
        )}
        {kind === 'stow' && (
          <TextInput
            label={t('authorization')}
            description={t('authorization_hint')}
            autoComplete="off"
            {...form.getInputProps('authorization')}
          />
        )}
        {kind === 'webhook' ? (
          <Checkbox.Group label={t('tells_of')} {...form.getInputProps('events')}>
            <Group mt={4}>
              {EVENTS.map((state) => (
                <Checkbox key={state} value={state} label={t(`words:state.${state}`)} />
              ))}
            </Group>
          </Checkbox.Group>
        ) : (
          <>
            <Checkbox.Group label={t('sends')} {...form.getInputProps('reports')}>
              <Group mt={4}>
                {REPORTS.map((one) => (
                  <Checkbox key={one} value={one} label={t(`report.${one}`)} />
                ))}
              </Group>
            </Checkbox.Group>
            <Checkbox
              label={t('with_identity')}
              description={t('with_identity_hint')}
              {...form.getInputProps('with_identity', { type: 'checkbox' })}
            />
          </>
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
