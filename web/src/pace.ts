// Keeps playback close behind live. A pure machine: times go in, what to do
// comes out; player.ts carries it out.

// What the player aims to have left when the buffer is at its lowest, in
// seconds. Measured in Chromium: 80 ms play without a stall, 40 ms do not.
const leastReserve = 0.08;
const mostReserve = 1;
// How a stall raises the aim, and how slowly it sinks again, a second.
const stallFactor = 1.6;
const forget = 0.002;
// Within this distance of the aim the speed is left alone.
const tolerance = 0.03;
const fastest = 1.1;
const slowest = 0.97;
// So far from the aim it is quicker to jump than to hurry.
const jumpBeyond = 1.5;
// The buffer fills in steps: its low-water mark over this time counts.
const horizon = 1000;

export interface View {
  now: number; // milliseconds, any origin
  time: number; // of the player
  paused: boolean;
  seeking: boolean;
  stuck: boolean; // the player has nothing to show
  range: { start: number; end: number } | null; // around or after time
  edge: { start: number; end: number } | null; // newest
}

export interface Step {
  rate: number;
  seek?: number;
  stalled?: boolean;
}

export class Pace {
  private reserve = leastReserve;
  private lows: { at: number; left: number }[] = [];
  private last = 0;
  private begun = false;
  private stalled = false;

  /** The next jump goes to live, as at the start. */
  reset(): void {
    this.begun = false;
    this.stalled = false;
    this.lows = [];
  }

  step(v: View): Step {
    const passed = this.last ? Math.min((v.now - this.last) / 1000, 1) : 0;
    this.last = v.now;
    this.reserve = Math.max(leastReserve, this.reserve * (1 - forget * passed));
    if (v.paused || v.seeking) {
      this.lows = [];
      return { rate: 1 };
    }
    if (!this.begun) return this.begin(v);
    if (!v.range) return this.starve();
    if (v.time < v.range.start) {
      // A hole ahead: what is behind it will not get there by itself.
      const there = v.range.end - v.range.start >= this.reserve;
      return there ? this.jump(v.range.start + 0.001) : this.starve();
    }
    const left = v.range.end - v.time;
    if (v.edge && v.edge.end - v.time > jumpBeyond + this.reserve) return this.jump(this.live(v.edge));
    this.lows = this.lows.filter((l) => v.now - l.at < horizon);
    this.lows.push({ at: v.now, left });
    const low = this.lows.reduce((a, l) => Math.min(a, l.left), Infinity);
    if (v.stuck && left < 0.03) return this.starve();
    this.stalled = this.stalled && v.stuck;
    const off = low - this.reserve;
    if (Math.abs(off) < tolerance) return { rate: 1 };
    return { rate: Math.min(fastest, Math.max(slowest, 1 + off / 2)) };
  }

  private begin(v: View): Step {
    // Audio comes in steps of about 85 ms; a little more than one on top of
    // the reserve is where playing on without a stall starts.
    if (!v.edge || v.edge.end - v.edge.start < this.reserve + 0.05) return { rate: 1 };
    this.begun = true;
    return this.jump(this.live(v.edge));
  }

  private live(edge: { start: number; end: number }): number {
    return Math.max(edge.start + 0.001, edge.end - this.reserve - 0.09);
  }

  private jump(seek: number): Step {
    this.lows = [];
    this.stalled = false;
    return { rate: 1, seek };
  }

  private starve(): Step {
    if (this.stalled) return { rate: 1 };
    this.stalled = true;
    this.reserve = Math.min(this.reserve * stallFactor, mostReserve);
    this.lows = [];
    return { rate: 1, stalled: true };
  }
}
