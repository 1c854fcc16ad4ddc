// SPDX-License-Identifier: Apache-2.0
// MQTT.js through one listener: subscribes at each QoS, publishes to itself, keeps a retained
// message and a will. `node mqttjs_client.js URL VERSION [CA FILE]`; prints "ok" and exits with 0,
// or says what went wrong.
'use strict'
const assert = require('assert')
const fs = require('fs')
const mqtt = require('mqtt')

const [url, version, authority] = process.argv.slice(2)
const options = {
  protocolVersion: Number(version),
  reconnectPeriod: 0,
  connectTimeout: 20000,
  ca: authority && fs.readFileSync(authority)
}

const connect = (more) => new Promise((resolve, reject) => {
  const client = mqtt.connect(url, { ...options, ...more })
  client.once('connect', () => resolve(client))
  client.once('error', reject)
  client.once('close', () => reject(new Error('closed')))
})
const call = (client, method, ...words) => new Promise((resolve, reject) => {
  client[method](...words, (error, value) => error ? reject(error) : resolve(value))
})
const next = (client) => new Promise((resolve) => {
  client.once('message', (topic, payload, packet) => resolve({ topic, payload, packet }))
})

async function eachQuality (client) {
  for (const qos of [0, 1, 2]) {
    const topic = `room/${qos}/temp`
    const granted = await call(client, 'subscribe', `room/${qos}/+`, { qos })
    assert.strictEqual(granted[0].qos, qos)
    const [got] = await Promise.all([
      next(client), call(client, 'publish', topic, `{"celsius": ${20 + qos}}`, { qos })])
    assert.strictEqual(got.topic, topic)
    assert.deepStrictEqual(JSON.parse(got.payload), { celsius: 20 + qos })
    assert.strictEqual(got.packet.qos, qos)
  }
}

async function retained (client) {
  await call(client, 'publish', 'kept', Buffer.alloc(300000, 7), { qos: 1, retain: true })
  const coming = next(client)
  await call(client, 'subscribe', 'kept')
  const got = await coming
  assert.strictEqual(got.packet.retain, true)
  assert.ok(got.payload.equals(Buffer.alloc(300000, 7)))
}

async function properties (client) {
  await call(client, 'subscribe', 'request', { properties: { subscriptionIdentifier: 7 } })
  const [got] = await Promise.all([next(client), call(client, 'publish', 'request', '?', {
    properties: { responseTopic: 'answer', correlationData: Buffer.from('42'),
      contentType: 'text/plain', userProperties: { colour: 'red' } }
  })])
  const seen = got.packet.properties
  assert.strictEqual(seen.responseTopic, 'answer')
  assert.strictEqual(seen.correlationData.toString(), '42')
  assert.strictEqual(seen.contentType, 'text/plain')
  assert.strictEqual(seen.userProperties.colour, 'red')
  assert.strictEqual(seen.subscriptionIdentifier, 7)
}

async function will (client) {
  const mortal = await connect({ will: { topic: 'wills', payload: 'gone', qos: 1 } })
  await call(client, 'subscribe', 'wills', { qos: 1 })
  const coming = next(client)
  mortal.stream.destroy()
  assert.strictEqual((await coming).payload.toString(), 'gone')
}

async function main () {
  const client = await connect({ clientId: 'js' })
  await eachQuality(client)
  await retained(client)
  if (options.protocolVersion === 5) await properties(client)
  await will(client)
  await call(client, 'end', false)
  console.log('ok')
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1) })
