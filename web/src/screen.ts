import { byId, setText } from "./dom";
import { State } from "./player";

const words: Record<State, [string, string]> = {
  connecting: ["Connecting", ""],
  waiting: ["Waiting for the stream", "It starts here by itself as soon as it is live."],
  playing: ["", ""],
  stalled: ["One moment", "The next pictures are on their way."],
  ended: ["The stream has ended", "Should it start again, it goes on here by itself."],
  offline: ["Connection lost", "Trying again. Nothing needs to be done."],
  unsupported: ["Cannot play this stream", ""],
};

/** Says on the empty screen, in plain words, why it is empty. */
export function showState(s: State, detail = ""): void {
  const [title, text] = words[s];
  setText(byId("notice-title"), title);
  setText(byId("notice-text"), detail || text);
  byId("notice").hidden = s === "playing";
  byId("spinner").hidden = s === "ended" || s === "unsupported";
  byId("player").dataset.state = s;
  const badge = byId("badge");
  badge.dataset.state = s;
  setText(badge, s === "playing" || s === "stalled" ? "Live" : s === "ended" ? "Ended" : s === "offline" ? "Offline" : "Waiting");
}
