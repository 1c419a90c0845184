// Keeps playback close behind live. A pure machine: times go in, what to do
// comes out; player.ts carries it out.

// What the player aims to have left when the buffer is at its lowest, in
// seconds. Measured in Chromium: on an idle machine 80 ms play without a stall and
// 40 ms do not; the rest is for one whose two cores decode and carry the swarm.
const leastReserve = 0.15;
const mostReserve = 1;
// How a stall raises the aim, and how slowly it sinks again, a second.
const stallFactor = 1.6;
const forget = 0.005;
// Within this distance of the aim the speed is left alone.
const tolerance = 0.03;
const fastest = 1.1;
const slowest = 0.97;
// So far from the aim it is quicker to jump than to hurry.
const jumpBeyond = 1.5;
// A browser starts, and starts again, with this much in its buffer. Chromium
// wants 200 ms of sound, and after it has run dry twice that and more, unless
// it is made to start afresh by a jump.
const restart = 0.24;
// The buffer fills in steps, of 85 ms for sound: this much on top of the
// reserve is where the newest media lies on average.
const grain = 0.09;
// The low-water mark of this time counts, in milliseconds.
const horizon = 1000;

export interface View {
  now: number; // milliseconds, any origin
  time: number; // of the player
  paused: boolean; // by the user
  seeking: boolean;
  dry: boolean; // the player has run out of what it needs and stands still
  range: { start: number; end: number } | null; // around or after time
  edge: { start: number; end: number } | null; // newest
}

export interface Step {
  rate: number;
  seek?: number;
  stalled?: boolean; // playback has just stopped for want of data
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
    if (v.dry && !this.stalled) return this.stall();
    if (this.stalled) return this.recover(v);
    // A hole ahead: what is behind it will not get here by itself.
    if (!v.range || v.time < v.range.start) return this.hole(v);
    if (v.edge && v.edge.end - v.time > this.reserve + jumpBeyond) return this.jump(this.live(v.edge));
    return { rate: this.rate(v.now, v.range.end - v.time) };
  }

  private rate(now: number, left: number): number {
    this.lows = this.lows.filter((l) => now - l.at < horizon);
    this.lows.push({ at: now, left });
    const low = this.lows.reduce((a, l) => Math.min(a, l.left), Infinity);
    const off = low - this.reserve;
    if (Math.abs(off) < tolerance) return 1;
    return Math.min(fastest, Math.max(slowest, 1 + off / 2));
  }

  private begin(v: View): Step {
    if (!v.edge || v.edge.end - v.edge.start < this.behind()) return { rate: 1 };
    this.begun = true;
    return this.jump(this.live(v.edge));
  }

  private stall(): Step {
    this.stalled = true;
    this.reserve = Math.min(this.reserve * stallFactor, mostReserve);
    return { rate: 1, stalled: true };
  }

  /** After a stall the picture has stood still anyway: on to live. */
  private recover(v: View): Step {
    if (!v.dry) {
      this.stalled = false;
      return { rate: 1 };
    }
    const there = v.edge && v.edge.end - Math.max(v.edge.start, v.time) >= this.behind();
    return there ? this.jump(this.live(v.edge!)) : { rate: 1 };
  }

  private hole(v: View): Step {
    if (v.range && v.range.end - v.range.start >= this.reserve) return this.jump(v.range.start + 0.001);
    return { rate: 1 };
  }

  private behind(): number {
    return Math.max(restart, this.reserve + grain);
  }

  private live(edge: { start: number; end: number }): number {
    return Math.max(edge.start + 0.001, edge.end - this.behind());
  }

  private jump(seek: number): Step {
    this.lows = [];
    this.stalled = false;
    return { rate: 1, seek };
  }
}
