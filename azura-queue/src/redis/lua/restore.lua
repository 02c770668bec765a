-- Records again a task that has ended: its fields, as many labels as `count` says, and then its log.
local _, _, id, state, name, queue, created, details, fields, count = unpack(ARGV, 1, 16)
if redis.call('EXISTS', task(id)) == 1 then return { 'duplicate' } end
local given, at = cjson.decode(fields), 11
redis.call('HSET', task(id), 'state', state, 'name', name, 'queue', queue, 'created', created)
for key, value in pairs(given) do redis.call('HSET', task(id), key, value) end
for _ = 1, tonumber(count) do
  redis.call('ZADD', labelled(ARGV[at], ARGV[at + 1]), created, id)
  at = at + 2
end
redis.call('ZADD', P .. 'order', created, id)
redis.call('ZADD', P .. 'name:' .. name, created, id)
redis.call('ZADD', in_state(state), created, id)
redis.call('SADD', QUEUES, queue)
if given.dead then redis.call('ZADD', dead(queue), created, id) end
local t = { id = id }
for i = at, #ARGV, 4 do record(t, ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]) end
record(t, state, given.attempt, details, given.finished or created)
redis.call('HSET', task(id), 'seq', t.seq)
if LOG_TTL > 0 then redis.call('EXPIRE', log(id), LOG_TTL) end
tell(id)
return { 'ok' }
