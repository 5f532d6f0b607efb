import type { ReportKind } from '@/client';

interface Report {
  /** DICOM, so that a PACS takes it. */
  dicom?: true;
  /** It says how a DICOM image is shown: there is none of another file. */
  ofDicomAlone?: true;
}

/** Every form of a result, in the order in which they are offered. */
const REPORTS: Record<ReportKind, Report> = {
  pdf: {},
  sr: { dicom: true },
  sc: { dicom: true },
  gsps: { dicom: true, ofDicomAlone: true },
  fhir: {},
  json: {},
  csv: {},
  overlay: {},
};

const all = Object.entries(REPORTS) as [ReportKind, Report][];

/** What there is of a DICOM image, or of another. */
export const reportsOf = (dicom: boolean): ReportKind[] =>
  all.filter(([, { ofDicomAlone }]) => dicom || !ofDicomAlone).map(([kind]) => kind);

/** What C-STORE and STOW-RS send. */
export const DICOM_REPORTS: ReportKind[] = all.filter(([, { dicom }]) => dicom).map(([kind]) => kind);
