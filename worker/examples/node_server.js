#!/usr/bin/env node
// A service in Node, without packages, that holdfast reloads without a client noticing:
//
//     holdfast run --protocol systemd --listen :8080 -- node node_server.js
//
// Node has no datagram sockets of the Unix kind, so systemd-notify(1) says READY=1 for it.
'use strict';
const http = require('http');
const { execFile } = require('child_process');

if (process.env.LISTEN_PID !== String(process.pid) || !(Number(process.env.LISTEN_FDS) >= 1)) {
  console.error('node_server: no listener in LISTEN_FDS');
  process.exit(1);
}

const server = http.createServer((request, response) => {
  response.setHeader('Content-Type', 'text/plain');
  response.end('Hello, world!');
});

process.on('SIGTERM', () => {
  // No new connections, idle ones closed, requests under way to their end; then nothing is left to
  // do and the process ends with 0.
  server.close();
  server.closeIdleConnections();
});

// Node would set a backlog of 511 for every process that shares the listener.
server.listen({ fd: 3, backlog: 4096 }, () => {
  if (process.env.NOTIFY_SOCKET) {
    execFile('systemd-notify', ['--ready', '--status=serving'], (failed) => {
      if (failed) console.error(`node_server: cannot say READY=1: ${failed.message}`);
    });
  }
});
