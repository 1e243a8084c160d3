// A live channel as it is usually written for Node.js: ws, one text for each position, sent to every session in turn.
// Told by SIGUSR2 it sends as fast as its sessions read.
import { WebSocketServer } from 'ws';

const { PORT, TOPIC, DEVICES } = process.env;
const behindBytes = 256 * 1024;
const sessions = new Set();

const server = new WebSocketServer({ host: '127.0.0.1', port: Number(PORT), path: '/ws-live', perMessageDeflate: false });
server.on('connection', (session) => {
  session.on('message', (message) => {
    const { topic } = JSON.parse(message);
    session.send(JSON.stringify({ type: 'subscribed', topic, snapshot: [] }));
    sessions.add(session);
  });
  session.on('close', () => sessions.delete(session));
  session.on('error', () => sessions.delete(session));
});

// The milliseconds are `ts`, what is below is in the last decimals of the latitude.
function position(device) {
  const us = Math.round((performance.timeOrigin + performance.now()) * 1000);
  return Buffer.from(JSON.stringify({
    type: 'position',
    topic: TOPIC,
    deviceId: `35630704${String(device).padStart(7, '0')}`,
    lat: Number(`41.3275${String(us % 1000).padStart(3, '0')}`),
    lon: 19.8187123,
    ts: Math.floor(us / 1000),
    speed: 63,
    course: 214,
  }));
}

const isBehind = () => [...sessions].some((session) => session.bufferedAmount > behindBytes);
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const turn = () => new Promise((resolve) => { setImmediate(resolve); });
const text = { binary: false };

process.once('SIGUSR2', async () => {
  for (let n = 0; ; n += 1) {
    const frame = position(n % Number(DEVICES));
    for (const session of sessions) session.send(frame, text);
    await turn();
    if (n % 8 === 7) while (isBehind()) await pause(1);
  }
});
