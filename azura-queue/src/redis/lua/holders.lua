-- Who holds a lease.
local workers = {}
for _, queue in ipairs(redis.call('SMEMBERS', QUEUES)) do
  for _, id in ipairs(redis.call('ZRANGE', running(queue), 0, -1)) do
    table.insert(workers, redis.call('HGET', task(id), 'worker') or '')
  end
end
return workers
