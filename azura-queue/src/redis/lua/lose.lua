-- Takes back leases: those that have run out, which is looked at `every` so often, or those of `worker`.
local _, _, worker, most, error, result, every = unpack(ARGV, 1, 16)
expire()

-- If nobody has looked for long, this server was away, or everybody slept: nobody is held to be dead at once.
if worker == '' then
  local before = redis.call('GET', P .. 'reaped')
  redis.call('SET', P .. 'reaped', NOW_TEXT)
  if before and NOW - before > 2 * every then
    for _, queue in ipairs(redis.call('SMEMBERS', QUEUES)) do
      for _, id in ipairs(redis.call('ZRANGEBYSCORE', running(queue), '-inf', int(NOW + 2 * every))) do
        redis.call('ZADD', running(queue), int(NOW + 2 * every), id)
      end
    end
  end
end
local count = 0

-- Workers of Celery's take back what nobody has renewed for an hour. Then the task is theirs: its message waits in its list, or one of them has it and
-- says how it ends. It is not to be had a second time.
local function is_theirs(t)
  local reserved = redis.call('HGET', 'unacked', t.tag)
  return not reserved or string.sub(reserved, -1) ~= '\n'
end

for _, queue in ipairs(redis.call('SMEMBERS', QUEUES)) do
  local upto = worker == '' and NOW_TEXT or '+inf'
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', running(queue), '-inf', upto)) do
    if worker == '' or redis.call('HGET', task(id), 'worker') == worker then
      count = count + 1
      local t, lost = find(id), redis.call('HINCRBY', task(id), 'lost', 1)
      if not t.cancel and is_theirs(t) then
        redis.call('ZREM', running(queue), id)
        redis.call('HDEL', task(id), 'started', 'worker', 'tag')
        change(t, 'PENDING', '{"reason":"lease lost"}')
      elseif lost < tonumber(most) then
        give_back(t, '{"reason":"lease lost"}', 'lease lost')
      else
        fail(t, error, error, result, nil, not t.cancel)
      end
    end
  end
end
-- What has come back may have waited for too long already.
expire()
-- Queues come and go; those without any task are forgotten.
for _, queue in ipairs(redis.call('SMEMBERS', QUEUES)) do
  local tasks = redis.call('ZCARD', scheduled(queue)) + redis.call('ZCARD', running(queue)) + redis.call('ZCARD', dead(queue))
  for _, step in ipairs(STEPS) do tasks = tasks + redis.call('LLEN', queue .. step) end
  if tasks == 0 then redis.call('SREM', QUEUES, queue) end
end
return { 'ok', count }
