import { type RefObject, useEffect, useRef } from 'react';

/** What a drag with the first button, or with one finger, does. */
export type Tool = 'window' | 'pan' | 'zoom';

export interface Gestures {
  tool: Tool;
  onWindow: (dx: number, dy: number) => void;
  onPan: (dx: number, dy: number) => void;
  /** `dx`, `dy`: where, from the pane's centre. */
  onZoom: (factor: number, dx: number, dy: number) => void;
  onDouble: () => void;
}

const WHEEL_STEP = 1.0015;
const DRAG_STEP = 1.008;

interface Finger {
  x: number;
  y: number;
  button: number;
}

/**
 * Drags, wheel and pinches of the pane. The first button, or one finger, does what the tool is; the middle one moves,
 * the second zooms; two fingers move and zoom.
 */
export function usePointers(element: RefObject<HTMLDivElement | null>, gestures: Gestures): void {
  const latest = useRef(gestures);
  latest.current = gestures;

  useEffect(() => {
    const node = element.current;
    if (node === null) return;
    const fingers = new Map<number, Finger>();

    const fromCentre = (x: number, y: number): [number, number] => {
      const { left, top, width, height } = node.getBoundingClientRect();
      return [x - left - width / 2, y - top - height / 2];
    };

    const down = (event: PointerEvent) => {
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY, button: event.button });
      node.setPointerCapture(event.pointerId);
      if (event.button === 1) event.preventDefault();
    };

    const pinch = (event: PointerEvent, before: Finger) => {
      const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
      if (other === undefined) return;
      const was = Math.hypot(before.x - other.x, before.y - other.y);
      const is = Math.hypot(event.clientX - other.x, event.clientY - other.y);
      const { onPan, onZoom } = latest.current;
      onPan((event.clientX - before.x) / 2, (event.clientY - before.y) / 2);
      if (was > 10) onZoom(is / was, ...fromCentre((event.clientX + other.x) / 2, (event.clientY + other.y) / 2));
    };

    const drag = (dx: number, dy: number, button: number) => {
      const { tool, onWindow, onPan, onZoom } = latest.current;
      const doing = button === 1 ? 'pan' : button === 2 ? 'zoom' : tool;
      if (doing === 'window') onWindow(dx, dy);
      else if (doing === 'pan') onPan(dx, dy);
      else onZoom(DRAG_STEP ** -dy, 0, 0);
    };

    const move = (event: PointerEvent) => {
      const before = fingers.get(event.pointerId);
      if (before === undefined) return;
      if (fingers.size === 2) pinch(event, before);
      else if (fingers.size === 1) drag(event.clientX - before.x, event.clientY - before.y, before.button);
      fingers.set(event.pointerId, { ...before, x: event.clientX, y: event.clientY });
    };

    const up = (event: PointerEvent) => fingers.delete(event.pointerId);
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      latest.current.onZoom(WHEEL_STEP ** -event.deltaY, ...fromCentre(event.clientX, event.clientY));
    };
    const noMenu = (event: Event) => event.preventDefault();
    const double = () => latest.current.onDouble();

    node.addEventListener('pointerdown', down);
    node.addEventListener('pointermove', move);
    node.addEventListener('pointerup', up);
    node.addEventListener('pointercancel', up);
    node.addEventListener('wheel', wheel, { passive: false });
    node.addEventListener('contextmenu', noMenu);
    node.addEventListener('dblclick', double);
    return () => {
      node.removeEventListener('pointerdown', down);
      node.removeEventListener('pointermove', move);
      node.removeEventListener('pointerup', up);
      node.removeEventListener('pointercancel', up);
      node.removeEventListener('wheel', wheel);
      node.removeEventListener('contextmenu', noMenu);
      node.removeEventListener('dblclick', double);
    };
  }, [element]);
}
