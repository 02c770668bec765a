-- Records a task and lets workers have it. With `old`, a dead letter is submitted once more.
local _, _, id, old, name, queue, priority, due, expires, sub, labels, message, key, hold, period = unpack(ARGV, 1, 16)
if redis.call('EXISTS', task(id)) == 1 then return { 'duplicate' } end
if old ~= '' then
  if redis.call('EXISTS', task(old)) == 0 then return { 'missing' } end
  if not redis.call('HGET', task(old), 'dead') then return { 'not dead' } end
end
if key ~= '' then
  local by = redis.call('GET', P .. 'key:' .. key)
  if by then return { 'taken', by } end
end
-- No two tasks are of the same moment, so that this is the order of submission too.
local created = math.max(NOW, (tonumber(redis.call('GET', P .. 'clock')) or 0) + 1)
redis.call('SET', P .. 'clock', int(created))
redis.call('HSET', task(id), 'state', 'PENDING', 'attempt', 0, 'lost', 0, 'failures', 0, 'seq', 0, 'name', name,
  'queue', queue, 'priority', priority, 'created', int(created), 'sub', sub, 'labels', labels, 'msg', message)
if due ~= '' then redis.call('HSET', task(id), 'due', due) end
if expires ~= '' then
  redis.call('HSET', task(id), 'expires', expires)
  redis.call('ZADD', EXPIRING, expires, id)
end
if key ~= '' then
  redis.call('HSET', task(id), 'key', key, 'hold', hold)
  if hold == 'period' then redis.call('SET', P .. 'key:' .. key, id, 'PX', period)
  else redis.call('SET', P .. 'key:' .. key, id) end
end
redis.call('ZADD', P .. 'order', int(created), id)
redis.call('ZADD', P .. 'name:' .. name, int(created), id)
redis.call('ZADD', in_state('PENDING'), int(created), id)
for i = 16, #ARGV, 2 do redis.call('ZADD', labelled(ARGV[i], ARGV[i + 1]), int(created), id) end
redis.call('SADD', QUEUES, queue)
record(id, 'PENDING', 0, '{}', int(created))
if old ~= '' then
  redis.call('HDEL', task(old), 'dead')
  redis.call('ZREM', dead(redis.call('HGET', task(old), 'queue')), old)
end
offer(id, queue, due ~= '' and due or nil)
return { 'ok' }
