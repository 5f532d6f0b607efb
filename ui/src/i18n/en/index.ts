import account from './account.json';
import admin from './admin.json';
import audit from './audit.json';
import batches from './batches.json';
import dead from './dead.json';
import deliveries from './deliveries.json';
import drift from './drift.json';
import job from './job.json';
import jobs from './jobs.json';
import login from './login.json';
import models from './models.json';
import overview from './overview.json';
import problems from './problems.json';
import shell from './shell.json';
import studies from './studies.json';
import submit from './submit.json';
import viewer from './viewer.json';
import words from './words.json';
import workers from './workers.json';

const catalogue = {
  account,
  admin,
  audit,
  batches,
  dead,
  deliveries,
  drift,
  job,
  jobs,
  login,
  models,
  overview,
  problems,
  shell,
  studies,
  submit,
  viewer,
  words,
  workers,
};

/** Every language has the keys of this one: tsc says which are missing. */
export type Catalogue = Words<typeof catalogue>;
type Words<T> = { [Key in keyof T]: T[Key] extends string ? string : Words<T[Key]> };

export default catalogue satisfies Catalogue;
