import { useTranslation } from 'react-i18next';
import type { FigureView } from '@/client';
import { decimal } from '@/components/numbers';
import classes from './Intervals.module.css';

interface IntervalsProps {
  title: string;
  rows: { name: string; figure: FigureView | undefined }[];
}

const ROW = 28;
const LEFT = 150;
const WIDTH = 560;
const RIGHT = 20;
const TICKS = [0, 0.25, 0.5, 0.75, 1];

/** A figure in [0, 1] of several parts: a dot for the value, a line for its 95 % interval. The table has the numbers. */
export function Intervals({ title, rows }: IntervalsProps) {
  const { i18n } = useTranslation();
  const x = (value: number) => LEFT + Math.min(1, Math.max(0, value)) * (WIDTH - LEFT - RIGHT);
  const height = rows.length * ROW + 24;
  return (
    <svg className={classes.chart} viewBox={`0 0 ${WIDTH} ${height}`} role="img" aria-label={title}>
      {TICKS.map((tick) => (
        <g key={tick}>
          <line className={classes.grid} x1={x(tick)} x2={x(tick)} y1={0} y2={rows.length * ROW} />
          <text className={classes.text} x={x(tick)} y={height - 6} textAnchor="middle">
            {decimal(tick, i18n.language, 2)}
          </text>
        </g>
      ))}
      {rows.map(({ name, figure }, index) => {
        const y = index * ROW + ROW / 2;
        return (
          <g key={name}>
            <text className={classes.text} x={LEFT - 10} y={y + 4} textAnchor="end">
              {name}
            </text>
            {figure?.low != null && figure.high != null && (
              <line className={classes.interval} x1={x(figure.low)} x2={x(figure.high)} y1={y} y2={y} />
            )}
            {figure?.value != null && <circle className={classes.value} cx={x(figure.value)} cy={y} r={5} />}
          </g>
        );
      })}
    </svg>
  );
}
