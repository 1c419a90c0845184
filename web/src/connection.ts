import { MediaMessage, TextMessage, parseMedia } from "./protocol";

// The other end sends a status every second: this long without any message
// means that it is gone, whatever the socket believes.
const silence = 5000;
// Waiting times between attempts, in milliseconds. The first is short: most
// often a server has just been started again.
const firstWait = 300;
const longestWait = 5000;

export interface Handlers {
  text(m: TextMessage): void;
  media(m: MediaMessage): void;
  /** The connection is lost or could not be made; it tries again by itself. */
  down(): void;
}

/** A WebSocket that comes back by itself until it is closed. */
export class Connection {
  private socket: WebSocket | null = null;
  private timer = 0;
  private wait = firstWait;
  private closed = false;

  /**
   * @param address is asked before every attempt, so that it may answer with
   * another server each time; null stands for "none at the moment".
   */
  constructor(private address: () => Promise<string | null>, private on: Handlers) {
    void this.connect();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.drop();
  }

  private drop(): void {
    const s = this.socket;
    this.socket = null;
    if (s) {
      s.onopen = s.onmessage = s.onclose = s.onerror = null;
      s.close();
    }
  }

  private async connect(): Promise<void> {
    let url: string | null = null;
    try {
      url = await this.address();
    } catch {
      // As good as no server.
    }
    if (this.closed) return;
    if (url === null) return this.lost();
    let s: WebSocket;
    try {
      s = new WebSocket(url);
    } catch {
      return this.lost();
    }
    this.socket = s;
    s.binaryType = "arraybuffer";
    s.onclose = s.onerror = () => this.lost();
    s.onmessage = (e) => {
      this.wait = firstWait;
      this.watch();
      this.receive(e.data);
    };
    this.watch();
  }

  private watch(): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.lost(), silence);
  }

  private lost(): void {
    this.drop();
    if (this.closed) return;
    this.on.down();
    clearTimeout(this.timer);
    // A little randomness keeps a thousand pages from coming back at once.
    this.timer = window.setTimeout(() => void this.connect(), this.wait * (0.75 + Math.random() / 2));
    this.wait = Math.min(this.wait * 2, longestWait);
  }

  private receive(data: unknown): void {
    if (data instanceof ArrayBuffer) {
      const m = parseMedia(data);
      if (m) this.on.media(m);
    } else if (typeof data === "string") {
      this.on.text(JSON.parse(data) as TextMessage);
    }
  }
}
