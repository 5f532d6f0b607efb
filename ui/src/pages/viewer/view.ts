/** How a picture lies in its pane, the same for pictures of any size, so that two panes can share one. */
export interface View {
  /** 1 fits the whole picture into the pane. */
  zoom: number;
  /** What lies in the pane's centre, in fractions of the picture's width and height. */
  x: number;
  y: number;
  /** Clockwise: 0, 90, 180 or 270 degrees. */
  rotation: number;
}

export const FITTED: View = { zoom: 1, x: 0.5, y: 0.5, rotation: 0 };
export const MOST_ZOOM = 40;
export const LEAST_ZOOM = 0.2;

export interface Size {
  width: number;
  height: number;
}

const clamp = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);

/** CSS pixels of the pane for one pixel of the picture, when it is fitted. */
export function fitScale(picture: Size, pane: Size, rotation: number): number {
  const turned = rotation % 180 !== 0;
  const [width, height] = turned ? [picture.height, picture.width] : [picture.width, picture.height];
  return Math.min(pane.width / width, pane.height / height);
}

export const scaleOf = (view: View, picture: Size, pane: Size): number =>
  view.zoom * fitScale(picture, pane, view.rotation);

/** One pixel of the picture on one of the screen. */
export function native(view: View, picture: Size, pane: Size): View {
  return { ...view, zoom: 1 / (window.devicePixelRatio || 1) / fitScale(picture, pane, view.rotation) };
}

/** A way on the screen → the same in pixels of the picture. */
function unturned(dx: number, dy: number, rotation: number): [number, number] {
  const angle = (-rotation * Math.PI) / 180;
  return [dx * Math.cos(angle) - dy * Math.sin(angle), dx * Math.sin(angle) + dy * Math.cos(angle)];
}

/** The picture moved by so many CSS pixels; its centre never leaves itself. */
export function panned(view: View, dx: number, dy: number, picture: Size, pane: Size): View {
  const scale = scaleOf(view, picture, pane);
  const [px, py] = unturned(dx, dy, view.rotation);
  return {
    ...view,
    x: clamp(view.x - px / scale / picture.width, 0, 1),
    y: clamp(view.y - py / scale / picture.height, 0, 1),
  };
}

/** Zoomed by `factor`; what lies `dx`, `dy` from the pane's centre stays there. */
export function zoomed(view: View, factor: number, dx: number, dy: number, picture: Size, pane: Size): View {
  const zoom = clamp(view.zoom * factor, LEAST_ZOOM, MOST_ZOOM);
  const before = scaleOf(view, picture, pane);
  const after = (before * zoom) / view.zoom;
  const [px, py] = unturned(dx, dy, view.rotation);
  return {
    ...view,
    zoom,
    x: clamp(view.x + (px / before - px / after) / picture.width, 0, 1),
    y: clamp(view.y + (py / before - py / after) / picture.height, 0, 1),
  };
}

export const turned = (view: View): View => ({ ...view, rotation: (view.rotation + 90) % 360 });
