-- Writes down how far the work is safe; leases that are lost are counted anew from there.
local _, _, id, attempt, epoch = unpack(ARGV, 1, 16)
if not leased(id, attempt) then return { 'stale' } end
local before = tonumber(redis.call('HGET', task(id), 'checkpoint') or 0)
if tonumber(epoch) > before then redis.call('HSET', task(id), 'checkpoint', epoch, 'lost', 0) end
return { 'ok' }
