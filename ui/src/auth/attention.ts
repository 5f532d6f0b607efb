// Pages ask by themselves while nobody is there; what they ask then says so, and does not keep the session from ending
// for want of use.
const AWAY_AFTER_MS = 60_000;
const SIGNS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'] as const;

let touched = Date.now();

const touch = (): void => {
  touched = Date.now();
};

/** Notice when a person is at the page; call once. */
export function watchAttention(): void {
  for (const sign of SIGNS) window.addEventListener(sign, touch, { passive: true, capture: true });
}

/** Whether a person touched the page lately. */
export const attended = (): boolean => Date.now() - touched < AWAY_AFTER_MS;
