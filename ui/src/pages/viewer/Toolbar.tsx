import { ActionIcon, Divider, Group, Tooltip } from '@mantine/core';
import {
  IconAdjustmentsHorizontal,
  IconArrowBackUp,
  IconArrowsMove,
  IconColumns2,
  IconContrast2,
  IconFlame,
  IconHelp,
  IconLink,
  IconMaximize,
  IconRotateClockwise,
  IconSquareDashed,
  IconZoomIn,
  IconZoomOut,
  IconZoomScan,
} from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { SHORTCUTS, type ShortcutId } from './shortcuts';
import type { Tool } from './usePointers';

interface ToolbarProps {
  tool: Tool;
  pressed: Partial<Record<ShortcutId, boolean>>;
  disabled: Partial<Record<ShortcutId, boolean>>;
  onPress: (id: ShortcutId) => void;
}

const GROUPS: [ShortcutId, ReactNode][][] = [
  [
    ['window', <IconAdjustmentsHorizontal key="window" />],
    ['pan', <IconArrowsMove key="pan" />],
    ['zoom', <IconZoomScan key="zoom" />],
  ],
  [
    ['larger', <IconZoomIn key="larger" />],
    ['smaller', <IconZoomOut key="smaller" />],
    ['fit', <IconMaximize key="fit" />],
    ['native', <span key="native">1:1</span>],
  ],
  [
    ['rotate', <IconRotateClockwise key="rotate" />],
    ['invert', <IconContrast2 key="invert" />],
    ['reset', <IconArrowBackUp key="reset" />],
  ],
  [
    ['heatmap', <IconFlame key="heatmap" />],
    ['boxes', <IconSquareDashed key="boxes" />],
  ],
  [
    ['beside', <IconColumns2 key="beside" />],
    ['together', <IconLink key="together" />],
    ['help', <IconHelp key="help" />],
  ],
];

const TOOLS = new Set<ShortcutId>(['window', 'pan', 'zoom']);

export function Toolbar({ tool, pressed, disabled, onPress }: ToolbarProps) {
  const { t } = useTranslation('viewer');
  return (
    <Group gap={4} role="toolbar" aria-label={t('tools')} pb={8}>
      {GROUPS.map((group, index) => (
        <Group key={group[0]?.[0]} gap={4} wrap="nowrap">
          {index > 0 && <Divider orientation="vertical" mx={4} color="dark.3" visibleFrom="xs" />}
          {group.map(([id, icon]) => {
            const on = TOOLS.has(id) ? tool === id : pressed[id];
            const key = SHORTCUTS.find((one) => one.id === id)?.keys[0];
            // What is read on a button is part of its name.
            const name = id === 'native' ? `1:1 – ${t('do.native')}` : t(`do.${id}`);
            return (
              <Tooltip key={id} label={`${name} (${key})`} openDelay={400}>
                <ActionIcon
                  size="lg"
                  variant={on ? 'filled' : 'default'}
                  aria-label={name}
                  aria-pressed={on}
                  aria-keyshortcuts={key}
                  disabled={disabled[id]}
                  onClick={() => onPress(id)}
                >
                  {icon}
                </ActionIcon>
              </Tooltip>
            );
          })}
        </Group>
      ))}
    </Group>
  );
}
