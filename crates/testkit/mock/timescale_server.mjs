// TimescaleDB in PGlite, which has one session, as a server for several connections: node timescale_server.mjs PACKAGE/dist PORT.
//
// Names of prepared statements and portals are made each connection's own, a connection waits while another is within a
// transaction, and rows of COPY FROM STDIN, for which this build has no place, are given as its blob. It ends when its standard
// input does.
import net from 'node:net'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [dist, port] = process.argv.slice(2)
const load = (file) => import(pathToFileURL(path.join(dist, file)).href)
const { PGlite } = await load('index.js')
const { timescaledb } = await load('timescaledb/index.js')
const db = await PGlite.create({ extensions: { timescaledb } })
await db.exec('CREATE EXTENSION IF NOT EXISTS timescaledb')
process.stdin.on('end', () => process.exit(0)).resume()

// A message of PostgreSQL's protocol: its type, its length, its body.
function message(type, body = Buffer.alloc(0)) {
  const head = Buffer.alloc(5)
  head.write(type, 0, 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

const parameter = (name, value) => message('S', Buffer.from(`${name}\0${value}\0`))

// The body of a message with names of statements and portals that are this connection's alone.
function renamed(type, body, prefix) {
  const own = (from, to) => (from === to ? [] : [Buffer.from(prefix), body.subarray(from, to)])
  const end = (at) => body.indexOf(0, at)
  if (type === 'P' || type === 'E') {
    const first = end(0)
    return Buffer.concat([...own(0, first), body.subarray(first)])
  }
  if (type === 'D' || type === 'C') {
    const first = end(1)
    return Buffer.concat([body.subarray(0, 1), ...own(1, first), body.subarray(first)])
  }
  if (type === 'B') {
    const first = end(0)
    const second = end(first + 1)
    return Buffer.concat([...own(0, first), body.subarray(first, first + 1), ...own(first + 1, second), body.subarray(second)])
  }
  return body
}

// How the session stands after an answer: I idle, T in a transaction, E in one that failed.
function standing(answer) {
  let last = null
  for (let at = 0; at + 5 <= answer.length; at += 1 + answer.readInt32BE(at + 1)) {
    if (answer[at] === 'Z'.charCodeAt(0)) last = String.fromCharCode(answer[at + 5])
  }
  return last
}

// Work of all connections, one piece at a time; while one is within a transaction its own alone.
const waiting = []
let owner = null
let isBusy = false

async function work() {
  if (isBusy) return
  isBusy = true
  for (;;) {
    const next = waiting.findIndex((piece) => owner === null || owner === piece.id)
    if (next < 0) break
    const [piece] = waiting.splice(next, 1)
    try {
      const answer = Buffer.from(await piece.run())
      owner = standing(answer) === 'I' ? null : piece.id
      piece.done(answer)
    } catch (error) {
      console.error(error)
      process.exit(1)
    }
  }
  isBusy = false
}

function queued(id, run) {
  return new Promise((done) => {
    waiting.push({ id, run, done })
    work()
  })
}

async function copied(statement, rows) {
  let answer
  try {
    const told = await db.query(statement.replace(/FROM STDIN/i, "FROM '/dev/blob'"), [], { blob: new Blob([rows]) })
    answer = message('C', Buffer.from(`COPY ${told.affectedRows ?? 0}\0`))
  } catch (error) {
    const fields = { S: 'ERROR', V: 'ERROR', C: error.code ?? 'XX000', M: error.message, D: error.detail }
    const told = Object.entries(fields).filter(([, value]) => value)
    answer = message('E', Buffer.from(told.map(([name, value]) => `${name}${value}\0`).join('') + '\0'))
  }
  return Buffer.concat([answer, Buffer.from(await db.execProtocolRaw(message('S')))])
}

const SSL_REQUEST = 80877103
let connections = 0

net
  .createServer((socket) => {
    const id = ++connections
    let hasBegun = false
    let pending = Buffer.alloc(0)
    let batch = []
    let copying = null
    let before = Promise.resolve()
    const send = (run) => {
      before = before.then(() => queued(id, run)).then((answer) => socket.write(answer))
    }
    socket.on('error', () => {})
    socket.on('close', () => {
      before = before.then(() => owner === id && queued(id, () => db.execProtocolRaw(message('Q', Buffer.from('ROLLBACK\0')))))
    })
    // A message, whole.
    const take = (type, body) => {
      if (type === 'X') {
        socket.end()
      } else if (type === 'Q' && /^COPY .* FROM STDIN/is.test(body.toString())) {
        copying = { statement: body.subarray(0, -1).toString(), rows: [] }
        before = before.then(() => socket.write(message('G', Buffer.from([1, 0, 0]))))
      } else if (copying && type === 'd') {
        copying.rows.push(Buffer.from(body))
      } else if (copying && type === 'c') {
        const { statement, rows } = copying
        copying = null
        send(() => copied(statement, Buffer.concat(rows)))
      } else {
        batch.push(message(type, renamed(type, body, `c${id}_`)))
        if ('SQH'.includes(type)) {
          const bytes = Buffer.concat(batch)
          batch = []
          send(() => db.execProtocolRaw(bytes))
        }
      }
    }
    socket.on('data', (data) => {
      pending = Buffer.concat([pending, data])
      while (pending.length >= (hasBegun ? 5 : 8)) {
        const length = hasBegun ? 1 + pending.readInt32BE(1) : pending.readInt32BE(0)
        if (pending.length < length) return
        const whole = pending.subarray(0, length)
        pending = pending.subarray(length)
        if (hasBegun) {
          take(String.fromCharCode(whole[0]), whole.subarray(5))
        } else if (whole.readInt32BE(4) === SSL_REQUEST) {
          socket.write('N')
        } else {
          hasBegun = true
          const told = [
            message('R', Buffer.alloc(4)),
            parameter('server_version', '17.5'),
            parameter('integer_datetimes', 'on'),
            parameter('standard_conforming_strings', 'on'),
            parameter('client_encoding', 'UTF8'),
            message('K', Buffer.alloc(8)),
            message('Z', Buffer.from('I')),
          ]
          socket.write(Buffer.concat(told))
        }
      }
    })
  })
  .listen(Number(port), '127.0.0.1')
