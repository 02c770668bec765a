-- Records a task and lets workers have it. With `old`, a dead letter is submitted once more.
local _, _, id, old, name, queue, priority, due, expires, sub, labels, message, tag, key, hold, period, checkpoint = unpack(ARGV, 1, 17)
if redis.call('EXISTS', task(id)) == 1 then return { 'duplicate' } end
if old ~= '' then
  if redis.call('EXISTS', task(old)) == 0 then return { 'missing' } end
  if not redis.call('HGET', task(old), 'dead') then return { 'not dead' } end
end
if key ~= '' then
  local by = redis.call('GET', P .. 'key:' .. key)
  if by then return { 'taken', by } end
end
local created = NOW_TEXT
local t = { id = id, queue = queue, priority = priority }
record(t, 'PENDING', 0, '{}', created)
redis.call('HSET', task(id), 'state', 'PENDING', 'attempt', 0, 'lost', 0, 'failures', 0, 'seq', t.seq, 'name', name,
  'queue', queue, 'priority', priority, 'created', created, 'sub', sub, 'labels', labels, 'msg', message, 'tag', tag)
if checkpoint ~= '0' then redis.call('HSET', task(id), 'checkpoint', checkpoint) end
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
redis.call('ZADD', P .. 'order', created, id)
redis.call('ZADD', P .. 'name:' .. name, created, id)
redis.call('ZADD', in_state('PENDING'), created, id)
for i = 18, #ARGV, 2 do redis.call('ZADD', labelled(ARGV[i], ARGV[i + 1]), created, id) end
redis.call('SADD', QUEUES, queue)
if old ~= '' then
  redis.call('HDEL', task(old), 'dead')
  redis.call('ZREM', dead(redis.call('HGET', task(old), 'queue')), old)
  tell(old)
end
tell(id)
offer(t, due ~= '' and due or nil, false, message)
return { 'ok' }
