-- How many tasks of each queue stand where: name, whether paused, waiting, scheduled, running, dead.
local all = {}
for _, queue in ipairs(redis.call('SUNION', QUEUES, PAUSED)) do
  local waiting = redis.call('ZCOUNT', scheduled(queue), '-inf', NOW_TEXT)
  for _, step in ipairs(STEPS) do waiting = waiting + redis.call('LLEN', queue .. step) end
  table.insert(all, { queue, redis.call('SISMEMBER', PAUSED, queue), waiting,
    redis.call('ZCOUNT', scheduled(queue), '(' .. NOW_TEXT, '+inf'),
    redis.call('ZCARD', running(queue)), redis.call('ZCARD', dead(queue)) })
end
return all
