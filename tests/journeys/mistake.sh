# A mistake at frame 40, seen and corrected; what was right stays.
pixelkin session new toys.pixelkin video.mp4 --labels first_frame.png
pixelkin session run toys.pixelkin
pixelkin session suggest toys.pixelkin > suggested.txt
pixelkin session accept toys.pixelkin 0:20
pixelkin session export toys.pixelkin before.npz
pixelkin session add toys.pixelkin 40=frame40.png
pixelkin session run toys.pixelkin
pixelkin session export toys.pixelkin after.npz
pixelkin session undo toys.pixelkin
pixelkin session run toys.pixelkin
pixelkin session export toys.pixelkin undone.npz
