import {
  IconActivity,
  IconBuildingHospital,
  IconChartLine,
  IconCpu,
  IconFiles,
  IconKey,
  IconListCheck,
  IconPhotoUp,
  IconSend,
  IconShieldCheck,
  IconSkull,
  IconStack2,
  IconTopologyStar3,
  IconUsers,
  type TablerIcon,
} from '@tabler/icons-react';
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router';
import { firstPage, type Need } from '@/auth/allowed';
import { sessionQuery } from '@/auth/session';
import { loginSearch } from '@/pages/login/search';
import { queryClient } from '@/queries';
import { Crashed, NotFound, Pending } from '@/shell/states';

const root = createRootRoute({ notFoundComponent: NotFound, errorComponent: Crashed });

const login = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: loginSearch,
  component: lazyRouteComponent(() => import('@/pages/login/LoginPage'), 'LoginPage'),
});

// Everything but the login needs a session; the address that was wanted is gone to after it.
const inside = createRoute({
  getParentRoute: () => root,
  id: 'inside',
  beforeLoad: async ({ location }) => {
    const session = await queryClient.ensureQueryData(sessionQuery);
    if (session === null) throw redirect({ to: '/login', search: { next: location.href } });
  },
  pendingComponent: Pending,
  component: lazyRouteComponent(() => import('@/shell/Shell'), 'Shell'),
});

// Search parameters are the page's own: each reads and validates them where it is used (`pages/<name>/search.ts`).
type Search = Record<string, unknown>;
const anySearch = (search: Search): Search => search;

const home = createRoute({
  getParentRoute: () => inside,
  path: '/',
  beforeLoad: async () => {
    const session = await queryClient.ensureQueryData(sessionQuery);
    throw redirect({ to: firstPage(session?.scopes ?? []) });
  },
});
const submit = createRoute({
  getParentRoute: () => inside,
  path: '/submit',
  staticData: { plain: true, menu: { name: 'submit', icon: IconPhotoUp, needs: 'submit' } },
  component: lazyRouteComponent(() => import('@/pages/submit/SubmitPage'), 'SubmitPage'),
});
const jobs = createRoute({
  getParentRoute: () => inside,
  path: '/jobs',
  staticData: { menu: { name: 'jobs', icon: IconListCheck, needs: 'read' } },
  validateSearch: anySearch,
  component: lazyRouteComponent(() => import('@/pages/jobs/JobsPage'), 'JobsPage'),
});
const job = createRoute({
  getParentRoute: () => inside,
  path: '/jobs/$jobId',
  component: lazyRouteComponent(() => import('@/pages/job/JobPage'), 'JobPage'),
});
const viewer = createRoute({
  getParentRoute: () => inside,
  path: '/jobs/$jobId/view',
  validateSearch: anySearch,
  component: lazyRouteComponent(() => import('@/pages/viewer/ViewerPage'), 'ViewerPage'),
});
const studies = createRoute({
  getParentRoute: () => inside,
  path: '/studies',
  staticData: { menu: { name: 'studies', icon: IconFiles, needs: 'read' } },
  validateSearch: anySearch,
  component: lazyRouteComponent(() => import('@/pages/studies/StudiesPage'), 'StudiesPage'),
});
const study = createRoute({
  getParentRoute: () => inside,
  path: '/studies/$studyId',
  component: lazyRouteComponent(() => import('@/pages/study/StudyPage'), 'StudyPage'),
});
const batches = createRoute({
  getParentRoute: () => inside,
  path: '/batches',
  staticData: { menu: { name: 'batches', icon: IconStack2, needs: 'read' } },
  validateSearch: anySearch,
  component: lazyRouteComponent(() => import('@/pages/batches/BatchesPage'), 'BatchesPage'),
});
const batch = createRoute({
  getParentRoute: () => inside,
  path: '/batches/$batchId',
  validateSearch: anySearch,
  component: lazyRouteComponent(() => import('@/pages/batch/BatchPage'), 'BatchPage'),
});
const account = createRoute({
  getParentRoute: () => inside,
  path: '/account',
  component: lazyRouteComponent(() => import('@/pages/account/AccountPage'), 'AccountPage'),
});
const overview = createRoute({
  getParentRoute: () => inside,
  path: '/admin/overview',
  staticData: { needs: 'admin', menu: { name: 'overview', icon: IconActivity, needs: 'admin' } },
  validateSearch: anySearch,
  component: lazyRouteComponent(() => import('@/pages/overview/OverviewPage'), 'OverviewPage'),
});
const workers = createRoute({
  getParentRoute: () => inside,
  path: '/admin/workers',
  staticData: { needs: 'admin', menu: { name: 'workers', icon: IconCpu, needs: 'operate' } },
  component: lazyRouteComponent(() => import('@/pages/workers/WorkersPage'), 'WorkersPage'),
});
const dead = createRoute({
  getParentRoute: () => inside,
  path: '/admin/dead',
  staticData: { needs: 'admin', menu: { name: 'dead', icon: IconSkull, needs: 'admin' } },
  validateSearch: anySearch,
  component: lazyRouteComponent(() => import('@/pages/dead/DeadPage'), 'DeadPage'),
});
const models = createRoute({
  getParentRoute: () => inside,
  path: '/admin/models',
  staticData: { menu: { name: 'models', icon: IconTopologyStar3, needs: 'read' } },
  component: lazyRouteComponent(() => import('@/pages/models/ModelsPage'), 'ModelsPage'),
});
const model = createRoute({
  getParentRoute: () => inside,
  path: '/admin/models/$modelId',
  validateSearch: anySearch,
  component: lazyRouteComponent(() => import('@/pages/model/ModelPage'), 'ModelPage'),
});
const drift = createRoute({
  getParentRoute: () => inside,
  path: '/admin/drift',
  staticData: { needs: 'admin', menu: { name: 'drift', icon: IconChartLine, needs: 'admin' } },
  validateSearch: anySearch,
  component: lazyRouteComponent(() => import('@/pages/drift/DriftPage'), 'DriftPage'),
});
const sites = createRoute({
  getParentRoute: () => inside,
  path: '/admin/sites',
  staticData: { needs: 'admin', menu: { name: 'sites', icon: IconBuildingHospital, needs: 'admin' } },
  component: lazyRouteComponent(() => import('@/pages/sites/SitesPage'), 'SitesPage'),
});
const users = createRoute({
  getParentRoute: () => inside,
  path: '/admin/users',
  staticData: { needs: 'admin', menu: { name: 'users', icon: IconUsers, needs: 'admin' } },
  validateSearch: anySearch,
  component: lazyRouteComponent(() => import('@/pages/users/UsersPage'), 'UsersPage'),
});
const keys = createRoute({
  getParentRoute: () => inside,
  path: '/admin/keys',
  staticData: { needs: 'admin', menu: { name: 'keys', icon: IconKey, needs: 'admin' } },
  component: lazyRouteComponent(() => import('@/pages/keys/KeysPage'), 'KeysPage'),
});
const deliveries = createRoute({
  getParentRoute: () => inside,
  path: '/admin/deliveries',
  staticData: { needs: 'admin', menu: { name: 'deliveries', icon: IconSend, needs: 'admin' } },
  validateSearch: anySearch,
  component: lazyRouteComponent(() => import('@/pages/deliveries/DeliveriesPage'), 'DeliveriesPage'),
});
const audit = createRoute({
  getParentRoute: () => inside,
  path: '/admin/audit',
  staticData: { needs: 'admin', menu: { name: 'audit', icon: IconShieldCheck, needs: 'admin' } },
  validateSearch: anySearch,
  component: lazyRouteComponent(() => import('@/pages/audit/AuditPage'), 'AuditPage'),
});

// The menu has them in this order.
const work = [home, submit, jobs, job, viewer, studies, study, batches, batch, account];
const administration = [overview, workers, dead, models, model, drift, deliveries, sites, users, keys, audit];

export const router = createRouter({
  routeTree: root.addChildren([login, inside.addChildren([...work, ...administration])]),
  defaultPreload: 'intent',
  defaultPendingComponent: Pending,
  defaultErrorComponent: Crashed,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
  interface StaticDataRouteOption {
    /** What a user must be allowed for the page to be shown; its data the API refuses anyway. */
    needs?: Need;
    /** It asks nothing and notifies of nothing, so that the first page need not carry what does. */
    plain?: boolean;
    /** Its place in the menu, for whom it is there; `name` is a key of `menu` in the words of the page. */
    menu?: { name: string; icon: TablerIcon; needs: Need };
  }
}
