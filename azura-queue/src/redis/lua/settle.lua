-- Ends a task as a worker of Celery's said: `value` is its result or its failure.
local _, _, id, how, details, value, worker = unpack(ARGV, 1, 16)
local state, queue = unpack(redis.call('HMGET', task(id), 'state', 'queue'))
if state ~= 'PENDING' then return { state or 'missing' } end
withdraw(id)
if how == 'REVOKED' then
  change(id, 'PENDING', how, details)
  return { how }
end
local attempt = redis.call('HINCRBY', task(id), 'attempt', 1)
redis.call('HSET', task(id), 'started', int(NOW), 'worker', worker, how == 'SUCCESS' and 'result' or 'error', value)
change(id, 'PENDING', 'STARTED', '{"attempt":' .. attempt .. ',"from_epoch":0}')
change(id, 'STARTED', how, details)
return { how }
