// keep_alive_client.js URL: asks once with an agent that keeps its connections, and says who ended
// the idle one: "client" (it was told for how long it may) or "server".
const http = require('http');

// Node honours the server's Keep-Alive where the agent has a timeout of its own.
const agent = new http.Agent({keepAlive: true, timeout: 60000});
let ended = 'client';
agent.on('free', (socket) => {
  socket.ref();  // an idle connection keeps no process
  socket.on('end', () => { ended = 'server'; });
  socket.on('close', () => console.log(ended));
});
http.get(process.argv[2], {agent}, (response) => response.resume());
