-- Extends a lease, and tells whether somebody asked to cancel. Without a time it only tells.
local _, _, id, attempt, ttl = unpack(ARGV, 1, 16)
local t = leased(id, attempt)
if not t then return { 'stale' } end
if ttl ~= '' then
  redis.call('ZADD', running(t.queue), int(NOW + ttl), id)
  -- Workers of Celery take back what has stood here for an hour.
  if t.tag then redis.call('ZADD', 'unacked_index', 'XX', int(math.floor(NOW / 1000000)), t.tag) end
end
return { 'ok', t.cancel or '' }
