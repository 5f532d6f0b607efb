import { cache, Enums, imageLoader, init, metaData, RenderingEngine, type Types, utilities } from '@cornerstonejs/core';
import type { Radiograph } from './radiograph';

// Cornerstone as this page uses it: one engine, one image loader that hands over what was fetched already, and nothing
// about colours or senses: the values go in as they are, and what is small and bright is turned by the viewport alone.

const SCHEME = 'lucency';
const ENGINE = 'viewer';
const held = new Map<string, Radiograph>();
let started = false;
let engine: RenderingEngine | null = null;

/** Start it, once. `cpu`: without WebGL, where a machine's graphics driver shows nothing or nonsense. */
export function startEngine(cpu: boolean): RenderingEngine {
  if (!started) {
    init({ rendering: { useCPURendering: cpu }, debug: {} });
    imageLoader.registerImageLoader(SCHEME, load);
    metaData.addProvider(provide, 100);
    started = true;
  }
  if (engine === null || engine.hasBeenDestroyed) engine = new RenderingEngine(ENGINE);
  return engine;
}

/** Give back the canvases and everything that was held. */
export function stopEngine(): void {
  engine?.destroy();
  engine = null;
  held.clear();
  cache.purgeCache();
}

/** Make `radiograph` known under the id that a viewport's stack names. */
export function imageIdOf(jobId: string, radiograph: Radiograph): string {
  held.set(jobId, radiograph);
  return `${SCHEME}:${jobId}`;
}

function radiographOf(imageId: string): Radiograph {
  const found = held.get(imageId.slice(SCHEME.length + 1));
  if (found === undefined) throw new Error('an image is shown before it was fetched');
  return found;
}

function load(imageId: string): { promise: Promise<Types.IImage> } {
  return { promise: Promise.resolve(imageOf(imageId, radiographOf(imageId))) };
}

const DATA_TYPES = { 1: 'Uint8Array', 2: 'Uint16Array' } as const;

function imageOf(imageId: string, { rows, columns, values, low, high }: Radiograph): Types.IImage {
  const { min, max } = range(values);
  const voxelManager = utilities.VoxelManager.createImageVoxelManager({
    width: columns,
    height: rows,
    scalarData: values,
    numberOfComponents: 1,
  }) as Types.IVoxelManager<number>;
  return {
    imageId,
    minPixelValue: min,
    maxPixelValue: max,
    slope: 1,
    intercept: 0,
    windowCenter: (low + high) / 2,
    windowWidth: Math.max(high - low, 1),
    voiLUTFunction: Enums.VOILUTFunctionType.LINEAR_EXACT,
    getPixelData: () => values,
    getCanvas: () => document.createElement('canvas'),
    rows,
    columns,
    height: rows,
    width: columns,
    color: false,
    rgba: false,
    numberOfComponents: 1,
    // In pixels, which are square as they come: what they are in millimetres is the scale bar's matter.
    columnPixelSpacing: 1,
    rowPixelSpacing: 1,
    invert: false,
    photometricInterpretation: 'MONOCHROME2',
    sizeInBytes: values.byteLength,
    dataType: values instanceof Int16Array ? 'Int16Array' : DATA_TYPES[values instanceof Uint8Array ? 1 : 2],
    voxelManager,
  };
}

function range(values: Radiograph['values']): { min: number; max: number } {
  let min = values[0] ?? 0;
  let max = min;
  for (const value of values) {
    if (value < min) min = value;
    else if (value > max) max = value;
  }
  return { min, max };
}

function provide(type: string, imageId: unknown): unknown {
  if (typeof imageId !== 'string' || !imageId.startsWith(`${SCHEME}:`)) return undefined;
  const { rows, columns, values } = radiographOf(imageId);
  const bits = values.BYTES_PER_ELEMENT * 8;
  switch (type) {
    case Enums.MetadataModules.IMAGE_PIXEL:
      return {
        bitsAllocated: bits,
        bitsStored: bits,
        highBit: bits - 1,
        pixelRepresentation: values instanceof Int16Array ? 1 : 0,
        photometricInterpretation: 'MONOCHROME2',
        samplesPerPixel: 1,
      };
    case Enums.MetadataModules.IMAGE_PLANE:
      return {
        rows,
        columns,
        rowPixelSpacing: 1,
        columnPixelSpacing: 1,
        rowCosines: [1, 0, 0],
        columnCosines: [0, 1, 0],
        imagePositionPatient: [0, 0, 0],
        imageOrientationPatient: [1, 0, 0, 0, 1, 0],
        frameOfReferenceUID: imageId,
      };
    case Enums.MetadataModules.GENERAL_SERIES:
      return { modality: 'CR' };
    default:
      return undefined;
  }
}
