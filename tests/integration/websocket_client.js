// Node's own WebSocket: echoes once, says "open", and says by what it was closed in the end.
const socket = new WebSocket(process.argv[2]);
const messages = ['hello', 'x'.repeat(200000), new Uint8Array([0, 255, 1, 254])];
let echoed = 0;
socket.binaryType = 'arraybuffer';
socket.onopen = () => messages.forEach((message) => socket.send(message));
socket.onmessage = (event) => {
  const sent = messages[echoed++];
  const same = typeof sent === 'string'
      ? event.data === sent
      : Buffer.from(event.data).equals(Buffer.from(sent));
  if (!same) console.log('wrong echo ' + echoed);
  if (echoed === messages.length) console.log('open');
};
socket.onerror = (event) => console.log('error ' + event.message);
socket.onclose = (event) => console.log('closed ' + event.code + ' ' + event.wasClean + ' ' + event.reason);
