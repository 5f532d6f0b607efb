import { Table } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { EvaluationView } from '@/client';
import { whole } from '@/components/numbers';
import { WideTable } from '@/components/WideTable';
import { useLabel } from '@/pages/model/names';

/** Rows are the truth, columns what the model said. */
export function Confusion({ evaluation: { labels, matrix } }: { evaluation: EvaluationView }) {
  const { t, i18n } = useTranslation('models');
  const label = useLabel();
  if (matrix.length === 0) return null;
  return (
    <WideTable label={t('confusion')} minWidth={320} maw={640}>
      <Table withColumnBorders>
        <Table.Caption>{t('confusion')}</Table.Caption>
        <Table.Thead>
          <Table.Tr>
            <Table.Td />
            {labels.map((name) => (
              <Table.Th key={name} scope="col" ta="right">
                {label(name)}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {labels.map((name, row) => (
            <Table.Tr key={name}>
              <Table.Th scope="row">{label(name)}</Table.Th>
              {labels.map((said, column) => (
                <Table.Td key={said} ta="right" fw={row === column ? 700 : 400}>
                  {whole(matrix[row]?.[column] ?? 0, i18n.language)}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </WideTable>
  );
}
