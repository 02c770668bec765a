-- Extends a lease, and tells whether somebody asked to cancel. Without a time it only tells.
local _, _, id, attempt, ttl = unpack(ARGV, 1, 16)
local queue, cancel = leased(id, attempt)
if not queue then return { 'stale' } end
if ttl ~= '' then
  redis.call('ZADD', running(queue), int(NOW + ttl), id)
  local tag = redis.call('HGET', task(id), 'tag')
  -- Workers of Celery take back what has stood here for an hour.
  if tag then redis.call('ZADD', 'unacked_index', 'XX', int(math.floor(NOW / 1000000)), tag) end
end
return { 'ok', cancel or '' }
