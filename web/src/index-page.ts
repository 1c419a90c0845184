// The tracker's first page: what is live.
import { byId, make, setText } from "./dom";
import { count, rate } from "./words";

interface Stream {
  name: string;
  id: string;
  live: boolean;
  viewers: number;
  since?: string;
  kbps?: number;
}

const refreshEvery = 3000;

function since(text: string | undefined): string {
  const started = Date.parse(text ?? "");
  if (!(started > 0)) return "";
  const minutes = Math.floor((Date.now() - started) / 60000);
  if (minutes < 1) return "just started";
  if (minutes < 60) return `for ${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `for ${count(hours, "hour")}` : `for ${Math.floor(hours / 24)} days`;
}

function card(s: Stream): HTMLLIElement {
  const li = make("li");
  const a = make("a", "", "stream");
  a.href = `/s/${encodeURIComponent(s.name || s.id)}`;
  a.append(make("span", "Live", "badge live"), make("strong", s.name || s.id));
  const facts = [count(s.viewers, "viewer"), since(s.since), s.kbps ? rate(s.kbps * 1000) : ""];
  a.append(make("span", facts.filter(Boolean).join(" · "), "facts"));
  li.append(a);
  return li;
}

let shown = "";

async function refresh(): Promise<void> {
  try {
    const r = await fetch("/api/streams", { cache: "no-store" });
    if (!r.ok) throw new Error(String(r.status));
    const body = (await r.json()) as Stream[] | { streams: Stream[] };
    const streams = (Array.isArray(body) ? body : (body.streams ?? [])).filter((s) => s.live);
    const cards = streams.map(card);
    const html = cards.map((c) => c.outerHTML).join("");
    if (html !== shown) byId("streams").replaceChildren(...cards); // keeps the focus where it is
    shown = html;
    byId("empty").hidden = streams.length > 0;
    setText(byId("summary"), streams.length === 0 ? "" : count(streams.length, "stream") + " live");
    byId("trouble").hidden = true;
  } catch {
    byId("trouble").hidden = false;
  }
}

setText(byId("go-live"), `p2plive source --tracker ${location.origin} --name my-channel --input demo`);
void refresh();
window.setInterval(() => {
  if (!document.hidden) void refresh();
}, refreshEvery);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void refresh();
});
