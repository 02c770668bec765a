-- Completes the record of a task that somebody else has sent with what its message says.
local _, _, id, sub = unpack(ARGV, 1, 16)
redis.call('HSET', task(id), 'foreign', 1)
redis.call('HSETNX', task(id), 'sub', sub)
tell(id)
return { 'ok' }
