import { Enums, getShouldUseCPURendering, type Types } from '@cornerstonejs/core';
import { type RefObject, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { imageIdOf, startEngine } from './engine';
import type { Radiograph } from './radiograph';
import { type Size, scaleOf, type View } from './view';
import type { Range } from './windowing';

/** The corners of the picture in the pane, in CSS pixels: top left, top right, bottom left. */
export type Corners = [Types.Point2, Types.Point2, Types.Point2];

interface Shown {
  jobId: string;
  radiograph: Radiograph;
  view: View;
  window: Range;
  inverted: boolean;
  cpu: boolean;
}

// In world coordinates the GPU's first pixel is centred at 0, the CPU's begins there.
const edge = () => (getShouldUseCPURendering() ? 0 : 0.5);

/** A Cornerstone viewport in `element` that shows what it is told, and where the picture then lies. */
export function useViewport(element: RefObject<HTMLDivElement | null>, pane: Size | null, shown: Shown) {
  const { jobId, radiograph, view, window: range, inverted, cpu } = shown;
  const viewport = useRef<Types.IStackViewport | null>(null);
  const [ready, setReady] = useState(false);
  const [failed, setFailed] = useState<unknown>(null);
  const [corners, setCorners] = useState<Corners | null>(null);
  const open = pane !== null;

  useEffect(() => {
    const node = element.current;
    if (node === null || !open) return;
    let gone = false;
    const engine = startEngine(cpu);
    const viewportId = `pane-${jobId}`;
    try {
      engine.enableElement({
        viewportId,
        element: node,
        type: Enums.ViewportType.STACK,
        defaultOptions: { background: [0, 0, 0] },
      });
      const made = engine.getViewport<Types.IStackViewport>(viewportId);
      made.setStack([imageIdOf(jobId, radiograph)]).then(
        () => {
          if (gone) return;
          viewport.current = made;
          setReady(true);
        },
        (error) => !gone && setFailed(error),
      );
    } catch (error) {
      setFailed(error);
    }
    return () => {
      gone = true;
      viewport.current = null;
      setReady(false);
      setCorners(null);
      if (!engine.hasBeenDestroyed) engine.disableElement(viewportId);
    };
  }, [element, open, jobId, radiograph, cpu]);

  useLayoutEffect(() => {
    const made = viewport.current;
    if (!ready || made === null || pane === null) return;
    startEngine(cpu).resize(true, true);
    place(made, view, radiograph, pane);
    made.render();
    setCorners(cornersOf(made, radiograph));
  }, [ready, view, pane, radiograph, cpu]);

  useLayoutEffect(() => {
    const made = viewport.current;
    if (!ready || made === null) return;
    made.setProperties({ voiRange: range, invert: inverted });
    made.render();
  }, [ready, range, inverted]);

  return { ready, failed, corners };
}

/** Move the camera so that the viewport shows `view`; by the same words on the GPU and on the CPU. */
function place(viewport: Types.IStackViewport, view: View, radiograph: Radiograph, pane: Size): void {
  const picture = { width: radiograph.columns, height: radiograph.rows };
  const parallelScale = pane.height / 2 / scaleOf(view, picture, pane);
  const focalPoint: Types.Point3 = [view.x * picture.width - edge(), view.y * picture.height - edge(), 0];
  if (getShouldUseCPURendering()) {
    // Each step computes the transform anew, on which the next one stands.
    viewport.setViewPresentation({ rotation: view.rotation });
    viewport.setCamera({ parallelScale });
    viewport.setCamera({ focalPoint });
    return;
  }
  const camera = viewport.getCamera();
  const away = Math.abs((camera.position?.[2] ?? 0) - (camera.focalPoint?.[2] ?? 0)) || 1;
  const angle = (view.rotation * Math.PI) / 180;
  viewport.setCamera({
    focalPoint,
    position: [focalPoint[0], focalPoint[1], -away],
    viewPlaneNormal: [0, 0, -1],
    viewUp: [-Math.sin(angle), -Math.cos(angle), 0],
    parallelScale,
  });
}

function cornersOf(viewport: Types.IStackViewport, { rows, columns }: Radiograph): Corners {
  const at = (x: number, y: number) => viewport.worldToCanvas([x - edge(), y - edge(), 0]);
  return [at(0, 0), at(columns, 0), at(0, rows)];
}
