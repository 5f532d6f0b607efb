/** Every key of the viewer, in the order of the help card. `id` names what it does, in the catalogue too. */
export const SHORTCUTS = [
  { id: 'window', keys: ['W'] },
  { id: 'pan', keys: ['P'] },
  { id: 'zoom', keys: ['Z'] },
  { id: 'larger', keys: ['+'] },
  { id: 'smaller', keys: ['-'] },
  { id: 'arrows', keys: ['←', '↑', '→', '↓'] },
  { id: 'fit', keys: ['F'] },
  { id: 'native', keys: ['N'] },
  { id: 'rotate', keys: ['T'] },
  { id: 'invert', keys: ['I'] },
  { id: 'reset', keys: ['0'] },
  { id: 'presets', keys: ['1', '…', '9'] },
  { id: 'heatmap', keys: ['H'] },
  { id: 'opacity', keys: ['[', ']'] },
  { id: 'boxes', keys: ['B'] },
  { id: 'finding', keys: ['L'] },
  { id: 'beside', keys: ['S'] },
  { id: 'together', keys: ['Y'] },
  { id: 'other_pane', keys: ['O'] },
  { id: 'accept', keys: ['A'] },
  { id: 'reject', keys: ['R'] },
  { id: 'comment', keys: ['C'] },
  { id: 'help', keys: ['?'] },
] as const;

export type ShortcutId = (typeof SHORTCUTS)[number]['id'];
