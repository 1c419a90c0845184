import { byId, make } from "./dom";
import { Player } from "./player";
import { Catalog, Track } from "./protocol";

const hideAfter = 2500; // milliseconds without a movement
const volumeKey = "p2plive.volume";

/** Buttons, keys and menus of the player. */
export class Controls {
  private frame = byId("player");
  private video = byId<HTMLVideoElement>("video");
  private play = byId<HTMLButtonElement>("play");
  private mute = byId<HTMLButtonElement>("mute");
  private volume = byId<HTMLInputElement>("volume");
  private full = byId<HTMLButtonElement>("full");
  private unmute = byId<HTMLButtonElement>("unmute");
  private hideTimer = 0;

  constructor(private player: Player) {
    this.recall();
    this.play.addEventListener("click", () => this.togglePlay());
    this.video.addEventListener("click", () => this.togglePlay());
    this.mute.addEventListener("click", () => this.setMuted(!this.video.muted));
    this.unmute.addEventListener("click", () => this.setMuted(false));
    this.volume.addEventListener("input", () => this.setVolume(Number(this.volume.value)));
    this.full.addEventListener("click", () => this.toggleFull());
    this.video.addEventListener("dblclick", () => this.toggleFull());
    this.video.addEventListener("volumechange", () => this.show());
    this.video.addEventListener("play", () => this.show());
    this.video.addEventListener("pause", () => this.show());
    document.addEventListener("fullscreenchange", () => this.show());
    document.addEventListener("keydown", (e) => this.key(e));
    for (const event of ["pointermove", "pointerdown", "focusin"]) {
      this.frame.addEventListener(event, () => this.wake());
    }
    player.onmuted = () => {
      this.unmute.hidden = false;
    };
    this.show();
    this.wake();
  }

  /** Offers the tracks where there is a choice. */
  offer(c: Catalog): void {
    for (const kind of ["video", "audio"] as const) {
      const tracks = c.tracks.filter((t) => t.kind === kind);
      const box = byId(`${kind}-choice`);
      const select = byId<HTMLSelectElement>(`${kind}-track`);
      box.hidden = tracks.length < 2;
      if (box.hidden) continue;
      const options = tracks.map((t, i) => {
        const o = make("option", trackName(t, i));
        o.value = String(t.id);
        o.selected = c.selected.includes(t.id);
        return o;
      });
      select.replaceChildren(...options);
      select.onchange = () => this.choose();
    }
  }

  private choose(): void {
    const chosen = (kind: string): number | null => {
      const select = byId<HTMLSelectElement>(`${kind}-track`);
      return byId(`${kind}-choice`).hidden ? null : Number(select.value);
    };
    this.player.choose({ video: chosen("video"), audio: chosen("audio") });
  }

  private togglePlay(): void {
    this.player.pause(!this.player.isPaused);
    this.show();
  }

  private setMuted(muted: boolean): void {
    this.video.muted = muted;
    this.unmute.hidden = true;
    if (!muted && this.video.volume === 0) this.setVolume(0.5);
  }

  private setVolume(v: number): void {
    this.video.volume = Math.min(1, Math.max(0, v));
    this.video.muted = this.video.volume === 0;
    this.unmute.hidden = true;
    try {
      localStorage.setItem(volumeKey, String(this.video.volume));
    } catch {
      // Private windows may refuse.
    }
  }

  private recall(): void {
    try {
      const v = Number(localStorage.getItem(volumeKey) ?? "1");
      if (v > 0 && v <= 1) this.video.volume = v;
    } catch {
      // As loud as the browser says.
    }
  }

  private toggleFull(): void {
    const phone = this.video as HTMLVideoElement & { webkitEnterFullscreen?: () => void };
    if (document.fullscreenElement) void document.exitFullscreen();
    else if (this.frame.requestFullscreen) void this.frame.requestFullscreen();
    else phone.webkitEnterFullscreen?.();
  }

  private key(e: KeyboardEvent): void {
    if (e.ctrlKey || e.altKey || e.metaKey) return;
    const target = e.target as HTMLElement;
    const own = target.closest("input, select, textarea");
    // A focused button takes the space bar itself.
    if (own || (e.key === " " && target.closest("button, a, summary"))) return;
    switch (e.key) {
      case " ":
      case "k":
        this.togglePlay();
        break;
      case "m":
        this.setMuted(!this.video.muted);
        break;
      case "f":
        this.toggleFull();
        break;
      case "ArrowUp":
        this.setVolume(this.video.volume + 0.05);
        break;
      case "ArrowDown":
        this.setVolume(this.video.volume - 0.05);
        break;
      case "ArrowRight": // back to live
        this.player.pause(false);
        break;
      default:
        return;
    }
    e.preventDefault();
    this.wake();
  }

  private show(): void {
    const { video } = this;
    label(this.play, this.player.isPaused ? "Play (space)" : "Pause (space)", this.player.isPaused ? "play" : "pause");
    label(this.mute, video.muted ? "Sound on (m)" : "Sound off (m)", video.muted ? "muted" : "sound");
    label(this.full, document.fullscreenElement ? "Leave full screen (f)" : "Full screen (f)", "full");
    this.volume.value = String(video.muted ? 0 : video.volume);
    this.frame.classList.toggle("paused", this.player.isPaused);
  }

  private wake(): void {
    this.frame.classList.remove("idle");
    clearTimeout(this.hideTimer);
    this.hideTimer = window.setTimeout(() => this.frame.classList.add("idle"), hideAfter);
  }
}

function label(button: HTMLButtonElement, text: string, icon: string): void {
  button.title = text;
  button.setAttribute("aria-label", text);
  for (const i of button.querySelectorAll("svg")) i.toggleAttribute("hidden", i.dataset.icon !== icon);
}

function trackName(t: Track, i: number): string {
  if (t.kind === "video") return t.rendition || (t.height ? `${t.height}p` : `Picture ${i + 1}`);
  if (!t.language) return t.rendition || `Sound ${i + 1}`;
  try {
    return new Intl.DisplayNames(undefined, { type: "language" }).of(t.language) ?? t.language;
  } catch {
    return t.language;
  }
}
