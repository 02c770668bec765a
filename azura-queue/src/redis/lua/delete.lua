-- Forgets a task that has ended.
local _, _, id = unpack(ARGV, 1, 16)
local state, name, queue, labels, key = unpack(redis.call('HMGET', task(id), 'state', 'name', 'queue', 'labels', 'key'))
if not state then return { 'missing' } end
if not terminal(state) then return { 'unfinished', state } end
redis.call('ZREM', P .. 'order', id)
redis.call('ZREM', P .. 'name:' .. name, id)
redis.call('ZREM', in_state(state), id)
redis.call('ZREM', dead(queue), id)
for label, value in pairs(cjson.decode(labels)) do redis.call('ZREM', labelled(label, value), id) end
if key and redis.call('GET', P .. 'key:' .. key) == id then redis.call('DEL', P .. 'key:' .. key) end
redis.call('DEL', task(id), log(id))
-- The labels are JSON.
tell('-{"id":"' .. id .. '","name":' .. cjson.encode(name) .. ',"labels":' .. labels .. '}')
return { 'ok' }
