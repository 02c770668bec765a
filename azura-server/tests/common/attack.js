// What a page may try with a server that trains: to look, to start, to stop. Answers with what came of each.

const [server, task, done] = arguments;
const runs = `${server}/api/v1/experiments`;
const socket = `${server.replace("http", "ws")}/ws/task_status/${task}`;
const body = JSON.stringify({ pipeline_name: "echo" });
const as = type => ({ "content-type": type });

const ask = (url, options) => fetch(url, options).then(({ status }) => String(status), () => "nothing");

const watch = url => new Promise(answer => {
  const socket = new WebSocket(url);
  socket.onmessage = () => (answer("a frame"), socket.close());
  socket.onclose = () => answer("nothing");
});

const picture = url => new Promise(answer => {
  const image = new Image();
  image.onload = () => answer("a picture");
  image.onerror = () => answer("nothing");
  image.src = url;
});

const deeds = {
  "read": () => ask(runs),
  "read blindly": () => ask(runs, { mode: "no-cors" }),
  "see": () => picture(`${server}/icon.svg`),
  "watch": () => watch(socket),
  "submit": () => ask(runs, { method: "POST", body, headers: as("application/json") }),
  "submit as text": () => ask(runs, { method: "POST", body, headers: as("text/plain"), mode: "no-cors" }),
  "submit as a form": () => ask(runs, { method: "POST", body: new URLSearchParams({ config: body }), mode: "no-cors" }),
  "change": () => ask(`${runs}/${task}`, { method: "PATCH", body, headers: as("application/json") }),
  "delete": () => ask(`${runs}/${task}`, { method: "DELETE" }),
  "cancel": () => ask(`${runs}/${task}/cancel`, { method: "POST", mode: "no-cors" }),
};

Promise.all(Object.entries(deeds).map(async ([deed, go]) => [deed, await go()])).then(done);
