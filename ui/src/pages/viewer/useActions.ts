import type { Dispatch, RefObject, SetStateAction } from 'react';
import type { FindingView } from '@/client';
import type { ViewerSearch } from './search';
import type { ShortcutId } from './shortcuts';
import type { Giving } from './useFeedback';
import type { PaneState } from './usePane';
import type { Tool } from './usePointers';
import type { Keys } from './useShortcuts';
import { FITTED, LEAST_ZOOM, MOST_ZOOM, turned, type View } from './view';

interface Acting {
  pane: PaneState;
  main: PaneState;
  explained: FindingView[];
  shown: FindingView | null;
  heatmap: boolean;
  boxes: boolean;
  search: ViewerSearch;
  change: (what: ViewerSearch) => void;
  setTool: (tool: Tool) => void;
  setOpacity: Dispatch<SetStateAction<number>>;
  giving: Giving;
  comment: RefObject<HTMLTextAreaElement | null>;
  see: (move: (now: View) => View) => void;
  native: (now: View) => View;
  setTogether: Dispatch<SetStateAction<boolean>>;
  setHelp: (shown: boolean) => void;
  setActive: Dispatch<SetStateAction<0 | 1>>;
  hasSecond: boolean;
}

const ZOOM_STEP = 1.25;
const PAN_STEP = 0.08;
const OPACITY_STEP = 0.1;

const magnified = (factor: number) => (now: View) => ({
  ...now,
  zoom: Math.min(Math.max(now.zoom * factor, LEAST_ZOOM), MOST_ZOOM),
});

/** Along the screen, whichever way the picture is turned. */
const moved = (dx: number, dy: number) => (now: View) => {
  const angle = (-now.rotation * Math.PI) / 180;
  const step = PAN_STEP / now.zoom;
  const along = (value: number, way: number) => Math.min(Math.max(value + way * step, 0), 1);
  return {
    ...now,
    x: along(now.x, dx * Math.cos(angle) - dy * Math.sin(angle)),
    y: along(now.y, dx * Math.sin(angle) + dy * Math.cos(angle)),
  };
};

/** Everything that a button or a key of the viewer does. */
export function useActions(acting: Acting): { press: (id: ShortcutId) => void; keys: Keys } {
  const { pane, main, explained, shown, heatmap, boxes, search, change, see, giving, setOpacity } = acting;
  const fade = (by: number) => setOpacity((now) => Math.round(Math.min(Math.max(now + by, 0), 1) * 10) / 10);
  const next = () => {
    const following =
      explained[(explained.findIndex(({ label }) => label === shown?.label) + 1) % Math.max(explained.length, 1)];
    if (following) change({ label: following.label });
  };
  const beside = () => {
    const first = main.display?.others[0]?.job_id;
    change({ beside: search.beside === undefined ? first : undefined });
  };
  const preset = (index: number) => {
    const chosen = pane.presets[index];
    if (chosen) pane.setWindow(() => ({ lower: chosen.lower, upper: chosen.upper }));
  };
  const acts: Record<ShortcutId, () => void> = {
    window: () => acting.setTool('window'),
    pan: () => acting.setTool('pan'),
    zoom: () => acting.setTool('zoom'),
    larger: () => see(magnified(ZOOM_STEP)),
    smaller: () => see(magnified(1 / ZOOM_STEP)),
    arrows: () => undefined,
    fit: () => see((now) => ({ ...FITTED, rotation: now.rotation })),
    native: () => see(acting.native),
    rotate: () => see(turned),
    invert: pane.turnOver,
    reset: () => {
      pane.reset();
      see(() => FITTED);
    },
    presets: () => undefined,
    heatmap: () => change({ heatmap: !heatmap }),
    opacity: () => fade(OPACITY_STEP),
    boxes: () => change({ boxes: !boxes }),
    finding: next,
    beside,
    together: () => acting.setTogether((now) => !now),
    other_pane: () => acting.hasSecond && acting.setActive((now) => (now === 0 ? 1 : 0)),
    accept: () => giving.say('accept'),
    reject: () => giving.say('reject'),
    comment: () => acting.comment.current?.focus(),
    help: () => acting.setHelp(true),
  };
  return { press: (id) => acts[id](), keys: keysOf(acts, fade, preset, see) };
}

function keysOf(
  acts: Record<ShortcutId, () => void>,
  fade: (by: number) => void,
  preset: (index: number) => void,
  see: Acting['see'],
): Keys {
  const digits = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [String(index + 1), () => preset(index)]));
  return {
    ...digits,
    w: acts.window,
    p: acts.pan,
    z: acts.zoom,
    '+': acts.larger,
    '=': acts.larger,
    '-': acts.smaller,
    f: acts.fit,
    n: acts.native,
    t: acts.rotate,
    i: acts.invert,
    0: acts.reset,
    h: acts.heatmap,
    '[': () => fade(-OPACITY_STEP),
    ']': () => fade(OPACITY_STEP),
    b: acts.boxes,
    l: acts.finding,
    s: acts.beside,
    y: acts.together,
    o: acts.other_pane,
    a: acts.accept,
    r: acts.reject,
    c: acts.comment,
    '?': acts.help,
    arrowleft: () => see(moved(-1, 0)),
    arrowright: () => see(moved(1, 0)),
    arrowup: () => see(moved(0, -1)),
    arrowdown: () => see(moved(0, 1)),
  };
}
