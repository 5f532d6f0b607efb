/** live: events come. polling: they do not, but the API answers. stale: neither. */
export type LiveState = 'live' | 'polling' | 'stale';

export interface LinkEvents {
  onState: (state: LiveState) => void;
  /** What changed; `*` is everything. */
  onTopics: (topics: string[]) => void;
  /** Whether the API answers; asked while no events come. It may find that the session has ended. */
  ask: () => Promise<boolean>;
}

const STREAM = '/v1/events';
// The server says something every 15 s: silence for longer than two beats is a dead connection that nobody reported.
const SILENCE_MS = 40_000;
const POLL_MS = [2_000, 5_000, 5_000, 10_000, 15_000] as const;
const STALE_POLL_MS = [1_000, 2_000, 4_000, 8_000, 10_000] as const;
// A browser has six connections to a host (HTTP/1.1), and each open stream holds one: tabs out of sight give theirs back.
const HIDDEN_MS = 30_000;

/** The event stream of this tab, for as long as it takes: it is opened again after every end, and polls meanwhile. */
export class Link {
  private source: EventSource | null = null;
  private state: LiveState = 'polling';
  private tries = 0;
  private closed = false;
  private missed = true;
  private poll: ReturnType<typeof setTimeout> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;
  private hiding: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly events: LinkEvents) {
    document.addEventListener('visibilitychange', this.seen);
    window.addEventListener('online', this.awake);
    // After a return from the back/forward cache or from sleep.
    window.addEventListener('pageshow', this.awake);
    this.open();
  }

  close(): void {
    this.closed = true;
    this.drop();
    clearTimeout(this.poll);
    clearTimeout(this.hiding);
    document.removeEventListener('visibilitychange', this.seen);
    window.removeEventListener('online', this.awake);
    window.removeEventListener('pageshow', this.awake);
  }

  private open(): void {
    if (this.closed || this.source !== null) return;
    const source = new EventSource(STREAM);
    this.source = source;
    source.onopen = () => this.opened();
    source.onerror = () => this.failed();
    source.addEventListener('beat', () => this.heard());
    source.addEventListener('changed', (event: MessageEvent<string>) => {
      this.heard();
      this.events.onTopics((JSON.parse(event.data) as { topics: string[] }).topics);
    });
    this.heard();
  }

  private opened(): void {
    clearTimeout(this.poll);
    this.poll = undefined;
    this.tries = 0;
    this.heard();
    this.become('live');
    // What changed while there was no stream of ours is in no event.
    if (this.missed) this.events.onTopics(['*']);
    this.missed = false;
  }

  private failed(): void {
    // A cut stream is opened again by the browser, which says where it was; a refused one it gives up.
    if (this.source?.readyState === EventSource.CLOSED) this.drop();
    if (this.state === 'live') this.become('polling');
    if (this.poll === undefined) this.later(0);
  }

  private heard(): void {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      this.drop();
      this.failed();
    }, SILENCE_MS);
  }

  private drop(): void {
    clearTimeout(this.silence);
    this.source?.close();
    this.source = null;
    this.missed = true;
  }

  private later(delay: number): void {
    clearTimeout(this.poll);
    this.poll = setTimeout(() => void this.look(), delay);
  }

  private async look(): Promise<void> {
    const answers = await this.events.ask();
    if (this.closed || this.state === 'live' || this.poll === undefined) return;
    const waits = answers ? POLL_MS : STALE_POLL_MS;
    if (answers !== (this.state === 'polling')) this.tries = 0;
    this.become(answers ? 'polling' : 'stale');
    if (answers) {
      this.open();
      this.events.onTopics(['*']);
    }
    // Not all tabs at once, when a server comes back.
    const wait = waits[Math.min(this.tries, waits.length - 1)] ?? 0;
    this.tries += 1;
    this.later(wait * (0.75 + Math.random() / 2));
  }

  private become(state: LiveState): void {
    if (state === this.state) return;
    this.state = state;
    this.events.onState(state);
  }

  private readonly awake = (): void => {
    if (this.state !== 'live' && document.visibilityState === 'visible') this.later(0);
  };

  private readonly seen = (): void => {
    clearTimeout(this.hiding);
    if (document.visibilityState === 'hidden') {
      this.hiding = setTimeout(() => {
        this.drop();
        clearTimeout(this.poll);
        this.poll = undefined;
      }, HIDDEN_MS);
    } else if (this.source === null) {
      if (this.state === 'live') this.open();
      else this.later(0);
    }
  };
}
