// Talking to the server: requests, and the frames of a run.

const API = new URL("api/v1/", document.baseURI);

/** Asks the server; an error is a text that can be shown. */
export async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(new URL(path, API), options);
  } catch {
    throw Object.assign(new Error("The server cannot be reached."), { away: true });
  }
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  const { message, errors } = answer?.detail ?? {};
  const lines = errors?.map(({ pointer, message }) => `${pointer || "config"}: ${message}`);
  throw new Error(lines?.join("\n") ?? message ?? `The server answered ${response.status}.`);
}

export function link(path) {
  return new URL(path, API).href;
}

/** Hands on every frame of a task, in order and each once, however often the connection breaks. Returns how to stop. */
export function follow(task, onFrame, onUnknown) {
  let socket, timer, after = 0, stopped = false, pause = 250;
  const connect = () => {
    const url = new URL(`ws/task_status/${task}?level=batch&after=${after}`, API);
    url.protocol = url.protocol.replace("http", "ws");
    socket = new WebSocket(url);
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.state === "RESYNC") return;
      pause = 250;
      after = frame.seq ?? after;
      onFrame(frame);
    };
    socket.onclose = ({ code }) => {
      if (stopped || code === 1000) return;
      if (code === 4404) return onUnknown();
      timer = setTimeout(connect, pause);
      pause = Math.min(pause * 2, 5000);
    };
  };
  connect();
  return () => {
    stopped = true;
    clearTimeout(timer);
    // One that is not open yet is closed when it is; before that, a browser calls it a failure.
    if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
    else socket.close();
  };
}
