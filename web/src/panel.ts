import { byId, make, setText } from "./dom";
import { Player } from "./player";
import { Catalog, Peer, Status } from "./protocol";
import { bytes, count, origin, path, rate, seconds, share } from "./words";

// Shares are those of the last ten seconds: what is true now, without jitter.
const stretch = 10;
const mostRows = 50;

/** The figures below the picture. */
export class Panel {
  private history: Status[] = [];

  constructor(private player: Player) {
    window.setInterval(() => this.measures(), 1000);
  }

  setCatalog(c: Catalog): void {
    const v = c.tracks.find((t) => t.kind === "video" && c.selected.includes(t.id));
    setText(byId("size"), v?.width ? `${v.width} × ${v.height}` : "–");
    const title = c.title;
    if (title) {
      setText(byId("title"), title);
      document.title = title;
    }
  }

  /** What the program that runs this page knows; an edge tells nothing. */
  setStatus(s: Status): void {
    byId("swarm").hidden = false;
    this.history.push(s);
    if (this.history.length > stretch) this.history.shift();
    const part = share(s, this.history.length > 1 ? this.history[0]! : null) ?? share(s, null);
    setText(byId("origin"), origin(s, part));
    byId("from-peers").style.flexGrow = String(part ?? 0);
    byId("from-edges").style.flexGrow = String(part === null ? 0 : 1 - part);
    setText(byId("received"), bytes(s.bytes_from_peers + s.bytes_from_edges));
    setText(byId("given"), bytes(s.bytes_uploaded));
    setText(byId("missed"), s.fragments_missed === 0 ? "none" : count(s.fragments_missed, "fragment"));
    const peers = [...(s.peers ?? [])].sort((a, b) => b.bytes_in + b.bytes_out - a.bytes_in - a.bytes_out);
    setText(byId("peer-count"), count(peers.length, "connection"));
    byId("peers").replaceChildren(...peers.slice(0, mostRows).map(row));
    if (s.name && byId("title").textContent === "") setText(byId("title"), s.name);
  }

  private measures(): void {
    const m = this.player.measures();
    setText(byId("behind"), m.behind === null ? "–" : seconds(m.behind));
    setText(byId("bitrate"), m.bitrate > 0 ? rate(m.bitrate) : "–");
    setText(byId("stalls"), m.stalls === 0 ? "none" : String(m.stalls));
  }
}

function row(p: Peer): HTMLTableRowElement {
  const tr = make("tr");
  const [way, meaning] = path(p);
  const who = make("td");
  who.append(make("span", p.role === "viewer" ? "Viewer" : p.role === "edge" ? "Edge" : p.role, `role ${p.role}`));
  const id = make("span", p.id.slice(0, 8), "id");
  id.title = p.addr;
  who.append(" ", id);
  const how = make("td", way);
  how.title = [meaning, p.reason].filter(Boolean).join(". ");
  if (p.reason) how.append(make("div", p.reason, "reason"));
  tr.append(who, how, make("td", p.rtt_ms > 0 ? `${p.rtt_ms < 10 ? p.rtt_ms.toFixed(1) : Math.round(p.rtt_ms)} ms` : "–"));
  tr.append(make("td", bytes(p.bytes_in)), make("td", bytes(p.bytes_out)));
  return tr;
}
